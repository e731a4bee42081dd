"""A comparison of methods: its texts opened and its request refused first, and what it finds kept for a run."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from core.baselines.compare import Match, compare
from core.evaluate.game import Games, check_written
from core.pauses import Pause
from core.records.events import Compared, Event
from core.records.spec import RunSpec
from core.records.storage import Store
from core.run.compensating.one_removal import fitted_on
from core.sampling.samplers import check_seed
from core.selection.plan import further


def comparing(
    store: Store, games: Games, spec: RunSpec, match: Match, run: str | None, between: Pause
) -> Iterator[Event]:
    """The events of `Engine.compare`, the last of which is Compared."""
    check_seed(spec)
    check = partial(match.check, kind=spec.players)
    other = replace(spec.text("evaluation"), sequences=4 * spec.sequences)
    fitted = [fitted_on(spec.text(), match.fit)] if match.fits else []
    check_written(other, *fitted)
    base = yield from games.open(spec, spec.text(), check)
    game = yield from games.open(spec, further(spec.text(), match.units), check)
    judge = yield from games.open(spec, other, check)
    fit = (yield from games.open(spec, fitted[0], check)).windows if fitted else None
    found = yield from compare(store, base, game, judge, match, spec, between, fit)
    if run is not None:
        store.save_comparison(run, found)
    yield Compared(found)
