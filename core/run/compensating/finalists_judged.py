"""A search's finalists compensated: which plan of each size is best once the layers that stay may adapt.

Each is kept as soon as it is known.
"""

from collections.abc import Collection, Generator, Iterable
from contextlib import ExitStack
from dataclasses import replace
from itertools import product

import numpy as np

from core.coalitions.masks import without
from core.coalitions.players import computed
from core.compensation.compensate import check_asked, check_changeable, compensate, held_of
from core.compensation.cost import cost
from core.compensation.projections import patched
from core.errors import EvaluationError
from core.evaluate.game import Games
from core.evaluate.meter import head_of, unit_of
from core.evaluate.perplexity import perplexity, perplexity_interval
from core.evaluate.reference import check_finite, sequence_losses
from core.model.model import LoadedModel
from core.records.events import Event, Stage
from core.records.mends import Compensate, CompensatedPlan, CompensatedPlans
from core.records.plans import Selection
from core.records.spec import RunSpec
from core.records.storage import Store
from core.run.compensating.finalist_pools import pools_of
from core.run.compensating.one_removal import fitted_on
from core.run.compensating.own_windows import judged_and_fitted, own_windows
from core.run.course import alone
from core.selection.finalists import MOST, Adapting, Plain, Removal, adapting, next_finalist
from core.selection.plan import further
from core.text.windows import Windows


def check_finalists(
    store: Store, games: Games, *, spec: RunSpec, how: Compensate, units: float
) -> Generator[Event, None, None]:
    """Refuses what no plan of a run could be compensated for, before anything is searched.

    Args:
        store: not used; what `Engine.lend` gives.
        games: opens the run's text.
        spec, how: the run's request, and what is to be fitted.
        units: of the search, which takes the more windows the larger it is.

    Raises:
        SelectionError: halves of blocks play.
        UnsupportedModel: a family, or a copy, whose weights cannot be changed so.
        CorpusError: too few windows are asked for, or the text has too few.
    """
    check_asked(spec.players, how.windows)
    wider = further(spec.text(), units).sequences
    assert wider is not None
    yield from own_windows(games, spec, _wanted(spec, how), wider, exactly=how.windows is not None)
    base = yield from games.open(spec, spec.text(), check=lambda _: None)
    yield Stage("Looking whether the model can be compensated")
    check_changeable(base.loaded, how.how)


def judging_finalists(
    store: Store,
    games: Games,
    *,
    run: str,
    game: str,
    spec: RunSpec,
    found: Selection,
    how: Compensate,
    counts: Collection[int],
    units: float | None = None,
) -> Generator[Event, None, CompensatedPlans]:
    """Compensates the finalists of each count, and judges them where the search judged its plans.

    Args:
        store: keeps each as soon as it is known; what is there already is not fitted again.
        games: opens the run's text.
        run, game, spec: the run, the key of its game, and its request.
        found: its search.
        how: what is fitted.
        counts: numbers of removed players, of which the search has plans.
        units: compute after which no further finalist is begun, in units of a search's budget. Each plan of the search
            is compensated in any case. None: no bound.

    Returns:
        What is known of all finalists of these counts.

    Raises:
        QuorumError: before any fit if the text has changed or is too short; what has been stored stays in any case.
    """
    base = yield from games.open(spec, spec.text(), check=lambda _: None)
    base.check_same(game)
    plans = {plan.count: plan.removed for plan in found.plans if plan.count in counts}
    with ExitStack() as held:
        yield from alone(held, store, base)
        judge, fit = yield from judged_and_fitted(
            games, spec, _wanted(spec, how), found.protocol, exactly=how.windows is not None
        )
        texts = judge.protocol, fit.protocol
        known = store.compensated(run, found.protected, how.how, *(text.tokens for text in texts))
        new = CompensatedPlans(
            found.model, found.protected, how.how, *texts, held_of(len(fit.ids)), (), fitting=how.fitting
        )
        so_far = known or new
        pools: dict[int, dict[Removal, Plain]] = {}
        unit, ruined = unit_of(base.loaded) * base.windows.ids.numel(), set[Removal]()

        def spent(judged: Iterable[CompensatedPlan]) -> float:
            return sum(_cost(base.loaded, fit, judge, plan.removed, how.how) for plan in judged) / unit

        def asked() -> tuple[CompensatedPlan, ...]:
            return tuple(plan for plan in so_far.judged if plan.count in plans)

        for turn, count in product(range(MOST), sorted(plans)):
            tried = {plan.removed for plan in so_far.judged if plan.count == count}
            tried |= {one for one in ruined if len(one) == count}
            removal: Removal | None = plans[count]
            if removal in tried:  # it comes in any case, and the others while there is compute
                if len(tried) > turn or (units is not None and spent(asked()) >= units):
                    continue
                if not pools:  # where all is known, nothing is proposed
                    yield Stage("Proposing sets that leave fewer cuts")
                    pools = pools_of(store, base, spec, found, plans)
                removal = next_finalist(pools[count], tried, _adapting(found, so_far))
            if removal is None:
                continue
            yield Stage(f"Compensating finalist {turn + 1} of {MOST} without {count}")
            try:
                plan = yield from _judged(base.loaded, fit, judge, removal, how.how)
            except EvaluationError as error:
                yield Stage(f"Left out: {error.message}")
                ruined.add(removal)
                continue
            judged = (*so_far.judged, plan)
            so_far = replace(so_far, judged=judged, spent=spent(judged))
            store.save_compensated(run, so_far)
        return replace(so_far, judged=asked(), spent=spent(asked()))


def _judged(
    loaded: LoadedModel, fit: Windows, judge: Windows, removal: Removal, how: str
) -> Generator[Event, None, CompensatedPlan]:
    """A removal compensated on one text, and measured on another without and with it."""
    mask = without(len(loaded.info.players), removal)
    done, patches = yield from compensate(loaded, fit, mask, how)
    plain = after = sequence_losses(loaded, judge.ids, mask)
    check_finite(loaded, judge.ids, mask, plain)
    if patches:
        with patched(loaded.model, patches):
            after = sequence_losses(loaded, judge.ids, mask)
            check_finite(loaded, judge.ids, mask, after)
    return CompensatedPlan(removal, perplexity(plain), *perplexity_interval(after.astype(np.float64)), done.cuts)


def _wanted(spec: RunSpec, how: Compensate) -> int:
    """How many windows a fit takes where the text has them."""
    windows = fitted_on(spec.text(), how.windows).sequences
    assert windows is not None
    return windows


def _adapting(found: Selection, so_far: CompensatedPlans) -> Adapting:
    """What compensation leaves of a rise, by the finalists that are known."""
    plans = so_far.judged
    plain, after = (
        np.log([value / found.dense_perplexity for value in values]).tolist()
        for values in ([plan.plain for plan in plans], [plan.perplexity for plan in plans])
    )
    return adapting(plain, [len(plan.cuts) for plan in plans], after)


def _cost(loaded: LoadedModel, fit: Windows, judge: Windows, removal: Removal, how: str) -> float:
    """What `_judged` computes, in block-token evaluations."""
    mask = without(len(loaded.info.players), removal)
    length, held = fit.ids.shape[1], held_of(len(fit.ids))
    own = cost(loaded, mask, how, (len(fit.ids) - held) * length, held * length)
    return own + 2 * (float(computed(loaded.kept(mask)).sum()) + head_of(loaded)) * judge.ids.numel()
