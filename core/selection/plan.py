"""The search on a run's game; everything that it measures is kept, also for the run."""

from collections.abc import Collection, Generator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import encode, removed, without
from core.coalitions.measurements import Floats
from core.evaluate.cached import Evaluators, cached
from core.evaluate.game import Game
from core.evaluate.meter import Meter
from core.evaluate.perplexity import perplexity, perplexity_interval
from core.model.model import LoadedModel
from core.model.similarity import similarity
from core.pauses import Pause, nothing
from core.records.events import Event, Searching, Stage
from core.records.plans import Plan, Selection
from core.records.spec import TextSpec
from core.records.storage import Evaluation, Store
from core.selection.earlier import Earlier, earlier_of
from core.selection.removal_paths import nested
from core.selection.search import Search
from core.selection.targets import Request

# From so many units on, finalists are settled on so many times the run's sequences, the first that applies.
_SMALL = 0.2  # a smaller budget races on half of the run's sequences: on fewer, unlucky texts mislead it
_WIDER = ((3.0, 8), (0.75, 4), (_SMALL, 2), (0.0, 1))
# Of the time of it all, what measuring the nested path takes, roughly: it is known last.
_PATH = 0.03
# Of the time, the share of the work to this power, roughly: races come first, and few sequences take longer a token.
_EARLY = 0.8


def plan(
    store: Store,
    base: Game,
    game: Game,
    request: Request,
    seed: int,
    between: Pause = nothing,
    evaluators: Evaluators = cached,
) -> Generator[Event, None, Selection]:
    """Searches, and gives the best plan of each count and a nested path.

    Args:
        store: keeps what is measured, so that a search that was stopped goes on, with the same result; one that begins
            with other texts, if nothing was measured of those meanwhile.
        base: the run's game. Races run to its sequences, and what they measure is kept for it, too.
        game: on the sequences of `base` and further ones, on which the finalists are settled.
        request: the budget, and what may be removed.
        seed: of the proposals.
        between: called after each coalition, and may raise to end the search.
        evaluators: make what measures.
    """
    own = len(base.windows.ids)
    meter = metered(
        store, game, stages(own, len(game.windows.ids)), divergences=True, between=between, evaluators=evaluators
    )
    earlier = None
    if request.earlier:
        earlier = earlier_of(store.rises_elsewhere(base.key), request.check(meter.players), request.protected)
        begun = f"from {len(earlier.masks)} removals measured" if earlier else "with nothing known"
    yield Stage(f"Searching, {begun} on other texts" if request.earlier else "Searching")
    search = yield from explore(game, meter, own, request, seed, 1 - _PATH, earlier)
    deep = np.array([mask for count in search.tried for mask in search.ranked(count, own)])
    before = store.known(base.key, deep)
    fresh = [
        Evaluation(encode(deep[row]), losses.astype(np.float32))
        for row, losses in enumerate(meter.losses(deep, own))
        if row not in before
    ]
    if fresh:
        store.record(base.key, fresh)
    # A few sequences favour the lucky: those known on all of the run's make the path, if there is one among them.
    paths = [nested(search.rises(depth)) for depth in (own, 0)]
    path = max(paths, key=len)
    dense = meter.losses(meter.whole[None], meter.stages[-1])[0]
    best = [search.best[count] for count in sorted(search.best)]
    return Selection(
        model=game.loaded.info,
        protocol=game.windows.protocol,
        dense_perplexity=perplexity(dense),
        protected=tuple(sorted(set(request.protected))),
        plans=measured(game.loaded, meter, best),
        nested=measured(game.loaded, meter, path),
        coalitions=meter.coalitions,
        units=request.units,
        spent=meter.spent / meter.unit(own),
        plain=meter.plain / meter.unit(own),
        earlier=0 if earlier is None else len(earlier.masks),
    )


def races(own: int, units: float) -> int:
    """The number of sequences that races of a search run to, of a run's `own`."""
    return own if units >= _SMALL else max(1, own // 2)


def stages(own: int, sequences: int) -> list[int]:
    """The numbers of sequences that races go through, up to a run's `own` or half of them, and then finalists."""
    every = {max(1, own // 5), max(1, own // 2), own, 2 * own, 4 * own, sequences}
    return sorted(stage for stage in every if stage <= sequences)


def further(text: TextSpec, units: float) -> TextSpec:
    """The windows that a search of that budget uses: those of a run, and further ones to settle finalists on."""
    assert text.sequences is not None
    times = next(times for least, times in _WIDER if units >= least)
    return replace(text, sequences=times * text.sequences)


def metered(
    store: Store,
    game: Game,
    stages: Sequence[int],
    *,
    divergences: bool = False,
    between: Pause = nothing,
    evaluators: Evaluators = cached,
) -> Meter:
    """A meter on a game's first sequences, which asks the store first."""
    evaluator = partial(evaluators, store, game.windows.protocol)
    ids = game.windows.ids[: stages[-1]]
    return Meter(game.loaded, ids, stages, game.packed, evaluator, divergences=divergences, between=between)


def keep_measured(
    store: Store,
    game: Game,
    sets: Collection[tuple[int, ...]],
    between: Pause = nothing,
    evaluators: Evaluators = cached,
) -> None:
    """Measures the whole model and removals on all windows of a game, for whoever draws them beside its run."""
    meter = metered(store, game, (len(game.windows.ids),), between=between, evaluators=evaluators)
    masks = [meter.whole, *(without(meter.players, gone) for gone in sorted(sets))]
    meter.losses(np.array(masks), meter.stages[-1])


def explore(
    game: Game, meter: Meter, own: int, request: Request, seed: int, part: float = 1.0, earlier: Earlier | None = None
) -> Generator[Searching, None, Search]:
    """The search itself, within its budget: one forward of the whole model for the distances, and the rest.

    It is `part` of what is reported on; `own` are the run's sequences, and `earlier` is what it may begin with.
    """
    raced, begun = races(own, request.units), meter.spent
    ids = game.windows.ids[:raced]
    meter.charge(game.loaded.info.layers * ids.numel(), ids.numel())
    distances = np.asarray(1 - similarity(game.loaded, ids).cosine)
    search = Search(meter, distances, request.check(meter.players), raced, request.protected, seed, earlier)
    for share in search.run(request.units * meter.unit(own) - (meter.spent - begun)):
        yield Searching(part * share**_EARLY)
    return search


def measured(loaded: LoadedModel, meter: Meter, masks: Sequence[NDArray[np.bool_]]) -> tuple[Plan, ...]:
    """Masks as plans, measured on all sequences of a meter. The interval is 90 % by Student's t."""
    whole = meter.losses(meter.whole[None], meter.stages[-1])[0]
    found = meter.losses(np.array(masks), meter.stages[-1])
    return tuple(plan_of(loaded, removed(mask), losses, whole) for mask, losses in zip(masks, found, strict=True))


def plan_of(loaded: LoadedModel, gone: tuple[int, ...], losses: Floats, whole: Floats) -> Plan:
    """A removal as a plan, by its losses and the whole model's of the same sequences, nats a token."""
    perplexity, ratio = perplexity_interval(losses), perplexity_interval(losses - whole)
    return Plan(len(gone), gone, loaded.parameters_without(gone), *perplexity, *ratio)
