"""How far the surrogates of a run can be trusted: mask by mask, with fewer masks to learn from, and beyond them."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import encode
from core.coalitions.measurements import FEWEST_MASKS, Floats, Measurements
from core.coalitions.ranks import rank_correlation
from core.pauses import Pause, come, nothing
from core.records.diagnostics import Beyond, Diagnostics, Extrapolation, HeldOut, Step
from core.surrogate.conformal import band_of, bands
from core.surrogate.process_readings import mixed
from core.surrogate.stacked import level_of, together
from core.surrogate.surrogate import FOLDS, PROCESSES
from core.surrogate.validation import (
    COSTS,
    KINDS,
    OTHER_KINDS,
    Validation,
    holding_out,
    log_residuals,
    quality,
    residuals,
)

# A page draws no more points than this.
_KEPT = 1000
# Of the masks, what the steps of a learning curve learn from; all of them are the validation itself.
_SHARES = (1 / 8, 1 / 4, 1 / 2, 3 / 4)
# The smallest sizes that together hold this share of the masks are the ones that extrapolation is tested on.
_SMALLEST = 0.2
# All that a comparison of surrogates and its diagnosis take, in fits of the costliest kind.
TOTAL_COST = FOLDS * (
    sum(COSTS[name] for name in OTHER_KINDS) + len(_SHARES) * sum(COSTS[name] for name in PROCESSES)
) + sum(COSTS.values())


def diagnose(measured: Measurements, compared: Validation, seed: int) -> Diagnostics:
    """Diagnostics from what `core.surrogate.validation.compare` found on the same masks with the same seed."""
    return come(diagnosing(measured, compared, seed))


def diagnosing(
    measured: Measurements, compared: Validation, seed: int, between: Pause = nothing
) -> Generator[float, None, Diagnostics]:
    """The same step by step; after each fit, yields its cost."""
    some = np.sort(_shuffled(measured, seed)[:_KEPT])
    return Diagnostics(
        masks=tuple(encode(mask) for mask in measured.masks[some]),
        scores=tuple(measured.scores[some].tolist()),
        predicted=tuple(HeldOut(name, tuple(found[some].tolist())) for name, found in compared.predicted.items()),
        curve=(yield from _curve(measured, compared, seed, between)),
        beyond=(yield from _beyond(measured, compared, seed, between)),
    )


def _curve(
    measured: Measurements, compared: Validation, seed: int, between: Pause
) -> Generator[float, None, tuple[Step, ...]]:
    """The surrogate in use, learnt from growing shares of the masks, each within the next, tested on the same ones."""
    order, steps = _shuffled(measured, seed), []
    for share in _SHARES:
        learnt = _learnt_from(share * len(measured))
        if learnt >= FEWEST_MASKS:
            some = order < share * len(measured)
            on_log, on_score = PROCESSES
            by_log = yield from holding_out(on_log, measured, seed, some, between)
            by_score = yield from holding_out(on_score, measured, seed, some, between)
            predicted = together(by_log, by_score, measured, seed, among=some)
            found = quality(compared.used.name, predicted, measured)
            steps.append(Step(learnt, found.r2, found.spearman))
    return (*steps, Step(_learnt_from(len(measured)), compared.used.r2, compared.used.spearman))


def _shuffled(measured: Measurements, seed: int) -> NDArray[np.int64]:
    """The masks in a random order, of a stream of its own: a sample is often drawn with the same seed."""
    return np.random.default_rng([seed, 1]).permutation(len(measured))


def _learnt_from(masks: float) -> int:
    """How many of so many masks a fit sees while one fold is held out, on average."""
    return round(masks * (FOLDS - 1) / FOLDS)


def _beyond(
    measured: Measurements, compared: Validation, seed: int, between: Pause
) -> Generator[float, None, Beyond | None]:
    """Every kind, learnt without the smallest sizes and tested on them."""
    kept = measured.masks.sum(axis=1)
    some = kept > 0  # what keeps nothing is an end, not a size: neither learnt from here nor predicted
    least = np.quantile(kept[some], _SMALLEST, method="lower")
    smallest = some & (kept <= least)
    seen, unseen = measured[kept > least], measured[smallest]
    if len(seen) < FEWEST_MASKS:
        return None
    predicted = {}
    for name, predictor in KINDS.items():
        between()
        predicted[name] = predictor(seen, unseen.masks, seed, between)
        yield COSTS[name]
    on_log, on_score, held = *PROCESSES, compared.predicted
    level = level_of(held[on_log][kept > least], held[on_score][kept > least], seen.scores)  # by larger sizes alone
    predicted[compared.used.name] = mixed(predicted[on_log], predicted[on_score], level)
    ranges = bands(seen.masks, residuals(seen, seed), seed)
    half = np.array([band_of(ranges, size).half for size in kept[smallest]])
    return Beyond(
        fewest=int(kept[smallest].min()),
        most=int(kept[smallest].max()),
        masks=len(unseen),
        coverage=float((np.abs(log_residuals(predicted[PROCESSES[0]], unseen)) <= half).mean()),
        kinds=tuple(
            Extrapolation(
                name,
                *(_error(found, unseen) for found in (inside[smallest], predicted[name])),
                *(_rank(found, unseen) for found in (inside[smallest], predicted[name])),
            )
            for name, inside in compared.predicted.items()
        ),
    )


def _error(predicted: Floats, measured: Measurements) -> float:
    return float(np.abs(log_residuals(predicted, measured)).mean())


def _rank(predicted: Floats, measured: Measurements) -> float:
    return rank_correlation(measured.scores, predicted)
