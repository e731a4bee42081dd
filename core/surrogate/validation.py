"""Surrogates held against measurements that they have not seen, side by side: five-fold cross-validation."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats, Measurements, log_score
from core.coalitions.ranks import rank_correlation
from core.pauses import Pause, come, nothing
from core.records.fits import Fit
from core.surrogate.stacked import Stacked, stack, together
from core.surrogate.surrogate import FOLDS, PROCESSES, Surrogate, fit, folds_of

# (seen, masks, seed, between) -> predicted scores of the masks
Predictor = Callable[[Measurements, Masks, int, Pause], Floats]


@dataclass(frozen=True)
class Validation:
    """Kinds of surrogate side by side, on the same folds."""

    stacked: Stacked  # what scores come from, as it was compared
    used: Fit  # its quality
    others: tuple[Fit, ...]
    predicted: dict[str, Floats]  # by kind, that in use first: the score of each mask by a fit without it, (masks,)
    residuals: Floats  # measured minus predicted log score of each mask, by the process on the log score


def compare(measured: Measurements, seed: int) -> Validation:
    """Every kind, held against masks that it has not seen."""
    return come(with_rivals(validated(measured, seed), measured, seed))


def validated(measured: Measurements, seed: int, between: Pause = nothing) -> Validation:
    """What is in use, held against masks that it has not seen, and the processes that it is made of, each alone."""

    def learnt(log: bool) -> Surrogate:
        between()
        found = fit(measured, log=log)
        between()
        return found.with_fifths(seed)

    on_log, on_score = learnt(True), learnt(False)
    between()
    stacked = stack(on_log, on_score, seed)
    by_log, by_score = on_log.held_out(seed), on_score.held_out(seed)
    both = together(by_log, by_score, measured, seed)
    predicted = {stacked.name: both, on_log.name: by_log, on_score.name: by_score}
    used, *others = (quality(name, found, measured) for name, found in predicted.items())
    return Validation(stacked, used, tuple(others), predicted, log_residuals(by_log, measured))


def with_rivals(
    found: Validation, measured: Measurements, seed: int, between: Pause = nothing
) -> Generator[float, None, Validation]:
    """The same with the other kinds beside it, on the same folds; after each fit, yields its cost."""
    predicted = {}
    for name in OTHER_KINDS:
        predicted[name] = yield from holding_out(name, measured, seed, between=between)
    fits = (quality(name, rival, measured) for name, rival in predicted.items())
    return replace(found, others=(*found.others, *fits), predicted=found.predicted | predicted)


def residuals(measured: Measurements, seed: int) -> Floats:
    """Measured minus predicted log score of each mask, by a process on the log score that has not seen it, (masks,)."""
    return log_residuals(fit(measured).held_out(seed), measured)


def log_residuals(predicted: Floats, measured: Measurements) -> Floats:
    """Measured minus predicted log score, (masks,), of predicted scores; both are bounded where a model is ruined."""
    return measured.log_scores - log_score(predicted)


def of_process(surrogate: Surrogate | Stacked, seed: int, *, log: bool = False) -> Fit:
    """The quality of one Gaussian process, or of both, on the score, or on its logarithm."""
    return quality(surrogate.name, surrogate.held_out(seed), surrogate.measured, log=log)


def of_paper(measured: Measurements, seed: int) -> Fit:
    """The quality of the paper's network, trained as in the paper."""
    return quality(_PAPER, come(holding_out(_PAPER, measured, seed)), measured)


def holding_out(
    name: str,
    measured: Measurements,
    seed: int,
    among: NDArray[np.bool_] | None = None,
    between: Pause = nothing,
) -> Generator[float, None, Floats]:
    """The predicted score of each mask by a fit on the other folds, (masks,), or on those of them `among` (masks,).

    After each fit, yields its cost.
    """
    folds = folds_of(measured.masks, seed)
    predicted = np.empty(len(measured))
    for fold in range(FOLDS):
        out = folds == fold
        seen = ~out if among is None else ~out & among
        between()
        predicted[out] = KINDS[name](measured[seen], measured.masks[out], seed, between)
        yield COSTS[name]
    return predicted


def quality(name: str, predicted: Floats, measured: Measurements, *, log: bool = False) -> Fit:
    """R2, rank correlation and mean absolute error of predicted scores (masks,), or of their logarithms."""
    from sklearn.metrics import mean_absolute_error, r2_score

    worths, found = (measured.log_scores, log_score(predicted)) if log else (measured.scores, predicted)
    return Fit(
        name=name,
        r2=float(r2_score(worths, found)),
        spearman=rank_correlation(worths, found),
        mae=float(mean_absolute_error(worths, found)),
        masks=len(worths),
    )


def _process(log: bool, seen: Measurements, masks: Masks, _: int, __: Pause) -> Floats:
    return fit(seen, log=log).predict(masks)


def _network(seen: Measurements, masks: Masks, seed: int, between: Pause) -> Floats:
    from core.surrogate import paper_network

    return paper_network.fit(seen.masks, seen.scores, seed, between).predict(masks)


def _paper(seen: Measurements, masks: Masks, seed: int, between: Pause) -> Floats:
    from core.surrogate import paper_network

    return paper_network.fit_as_paper(seen.masks, seen.scores, seed, between).predict(masks)


def _trees(seen: Measurements, masks: Masks, seed: int, _: Pause) -> Floats:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingRegressor(min_samples_leaf=5, max_leaf_nodes=8, random_state=seed)
    with threadpool_limits(1, user_api="openmp"):  # several would wait for each other most of the time
        return np.asarray(np.exp(model.fit(seen.masks, seen.log_scores).predict(masks)))


def _pairs(seen: Measurements, masks: Masks, _: int, __: Pause) -> Floats:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    model = make_pipeline(PolynomialFeatures(2, interaction_only=True), RidgeCV(np.logspace(-2, 4, 13)))
    return np.asarray(model.fit(seen.masks, seen.scores).predict(masks))


_PAPER = "Network, trained as in the paper"
KINDS: dict[str, Predictor] = {
    PROCESSES[0]: partial(_process, True),
    PROCESSES[1]: partial(_process, False),
    "Network ensemble (AdamW)": _network,
    _PAPER: _paper,
    "Boosted trees on the log score": _trees,
    "Ridge on pairs of layers": _pairs,
}
OTHER_KINDS = tuple(name for name in KINDS if name not in PROCESSES)
# What a fit to 300 coalitions of 30 layers takes, in fits of the ensemble, which takes most: measured, to tell how far
# a comparison is.
COSTS = dict(zip(KINDS, (0.06, 0.06, 1.0, 0.12, 0.12, 0.02), strict=True))
