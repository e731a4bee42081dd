"""How far one run is over all of its parts, and what the parts that have not begun are thought to take.

Coalitions and the search are counted in block-token evaluations (`evaluate.meter`): a coalition costs the blocks that
it does not share with its predecessor, and the search its budget. What one takes is measured while coalitions are. A
comparison of surrogates is counted in fits of its costliest kind, of which a few steps are timed here. What else there
is follows as rough multiples of what is timed, which the parts themselves correct once they are under way.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import own_layers
from core.coalitions.players import computed
from core.evaluate.game import Game
from core.evaluate.meter import head_of, unit_of
from core.evaluate.precision import MASKS
from core.records.events import Progress
from core.records.looks import Workers
from core.run.forecast import costs
from core.run.remaining import PARTS, Clock, Part, Remaining
from core.run.tally import Tally
from core.surrogate.diagnose import TOTAL_COST
from core.surrogate.paper_network import seconds_of_fit
from core.tasks.without_data import evaluations

# An evaluation of the search, on fewer sequences at once and with its predictions compared, and what it fits between
# them, beside one of the run's; an evaluation in float32 by the model's own forward, its loading counted in; and the
# final fit beside an estimate on the way.
_SEARCH, _FLOAT32, _FIT = 1.5, 4.0, 6.0
# Of the layers, kept by the plans of a search on average, which removes up to half of them.
_KEPT = 0.75


class Outlook:
    """Where a run stands, as its events tell it."""

    def __init__(
        self,
        tally: Tally,
        game: Game,
        clock: Clock,
        *,
        units: float | None,
        wanted: Mapping[Part, bool],
        workers: Callable[[], Workers | None] = lambda: None,
    ) -> None:
        """Looks at what is missing.

        Args:
            tally: of the run.
            game: its game.
            clock: stands still while others are served.
            units: of the search that is still to be made; None: there is none.
            wanted: whether plans are to be asked what needs no data, and 16 bits are still to be held against float32.
            workers: tells of those who measure, if others do.
        """
        self._tally, self._loaded, self._clock, self._units = tally, game.loaded, clock, units
        self._workers = workers
        self._head, self._costs = head_of(game.loaded), np.zeros(0)
        self._begun, self._measuring = clock.now(), 0.0  # seconds
        wanted = {**wanted, "search": units is not None}
        self._remaining = Remaining([part for part in PARTS if wanted.get(part, True)], clock)
        self._remaining.expect("surrogates", TOTAL_COST * seconds_of_fit(len(tally.masks), tally.masks.shape[1]))

    def fitted(self, seconds: float) -> None:
        """An estimate on the way has taken so long."""
        self._remaining.expect("fit", _FIT * seconds)

    def progress(self, part: Part, share: float = 0.0) -> Progress:
        """Where the run stands, in a part of which this share is done; that of the coalitions is counted here."""
        tally = self._tally
        if part == "coalitions":
            self._measuring = self._clock.now() - self._begun
            share = self._measured()
        self._remaining.at(part, share)
        left, over, within = self._remaining.say()
        return Progress(
            done=len(tally.losses),
            total=tally.total,
            cached=tally.cached,
            per_second=tally.measured / max(self._measuring, 1e-9),
            seconds_left=left,
            best=tally.best(),
            part=part,
            nth=self._remaining.place,
            share=over,
            within=within,
            workers=self._workers(),
        )

    def _measured(self) -> float:
        """The share of their work that is done since the run was started; and what follows for what comes later."""
        tally = self._tally
        if len(tally.masks) > len(self._costs):  # at the beginning, and whenever an adaptive run adds some
            self._costs = np.append(self._costs, self._further_costs())
        done = float(self._costs[list(tally.losses)].sum())
        unknown = (tally.total - len(tally.masks)) * float(self._costs.mean())
        every = float(self._costs.sum()) + unknown
        if done > 0:
            second = done / self._measuring  # block evaluations of all sequences
            if self._units is not None:
                self._remaining.expect("search", _SEARCH * self._units * unit_of(self._loaded) / second)
            layers, plans = self._loaded.info.layers, len(self._loaded.info.players) // 2
            asked = evaluations(tally.protocol.sequences * tally.protocol.window)
            self._remaining.expect("predictions", plans * asked * (_KEPT * layers + self._head) / second)
            forwards = MASKS / tally.protocol.sequences  # of one sequence, which is mostly enough
            self._remaining.expect("precision", _FLOAT32 * forwards * (self._loaded.info.layers + self._head) / second)
        return done / every if every > 0 else 1.0

    def _further_costs(self) -> NDArray[np.float64]:
        """Of masks that the run has not had before, what each that is missing costs."""
        tally, begun = self._tally, len(self._costs)
        blocks = computed(self._loaded.kept(tally.masks[begun:]))
        if not begun:
            return costs(blocks, np.array([tally.lacks(row) for row in range(len(blocks))]), self._head)
        return np.asarray(own_layers(blocks) + self._head, dtype=np.float64)
