"""Surrogates held against measurements that they have not seen, side by side: five-fold cross-validation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats, Measurements, log_score
from core.records.fits import Fit
from core.surrogate.surrogate import fit

FOLDS = 5

Predictor = Callable[[Measurements, Masks, int], Floats]  # (seen, masks, seed) -> predicted scores of the masks


@dataclass(frozen=True)
class Validation:
    """Kinds of surrogate side by side, on the same folds."""

    log: bool  # whether the process on the log score is the better process
    best: Fit  # that process
    others: tuple[Fit, ...]
    predicted: dict[str, Floats]  # by kind, the best first: the score of each mask by a fit without it, (masks,)
    residuals: Floats  # measured minus predicted log score of each mask, by the process on the log score


def compare(measured: Measurements, seed: int) -> Validation:
    """Every kind, held against masks that it has not seen."""
    predicted = {name: held_out(predictor, measured, seed) for name, predictor in KINDS.items()}
    on_log, on_score, *others = (quality(name, found, measured) for name, found in predicted.items())
    log = on_log.r2 >= on_score.r2
    fits = (on_log, on_score, *others) if log else (on_score, on_log, *others)
    ordered = {fit.name: predicted[fit.name] for fit in fits}
    return Validation(log, fits[0], fits[1:], ordered, log_residuals(predicted[on_log.name], measured))


def residuals(measured: Measurements, seed: int) -> Floats:
    """Measured minus predicted log score of each mask, by a process on the log score that has not seen it, (masks,)."""
    return log_residuals(held_out(partial(_process, True), measured, seed), measured)


def log_residuals(predicted: Floats, measured: Measurements) -> Floats:
    """Measured minus predicted log score, (masks,), of predicted scores; both are bounded where a model is ruined."""
    return measured.log_scores - log_score(predicted)


def of_process(measured: Measurements, log: bool, seed: int) -> Fit:
    """The quality of a Gaussian process alone, on the log score or on the score."""
    name = PROCESSES[not log]
    return cross_validate(name, KINDS[name], measured, seed)


def of_paper(measured: Measurements, seed: int) -> Fit:
    """The quality of the paper's network, trained as in the paper."""
    return cross_validate(_PAPER, KINDS[_PAPER], measured, seed)


def cross_validate(name: str, predictor: Predictor, measured: Measurements, seed: int) -> Fit:
    """R2, rank correlation and mean absolute error of a predictor on scores that it has not seen."""
    return quality(name, held_out(predictor, measured, seed), measured)


def held_out(predictor: Predictor, measured: Measurements, seed: int, among: NDArray[np.bool_] | None = None) -> Floats:
    """The predicted score of each mask by a fit on the other folds, (masks,), or on those of them `among` (masks,)."""
    folds = folds_of(measured.masks, seed)
    predicted = np.empty(len(measured))
    for fold in range(FOLDS):
        out = folds == fold
        seen = ~out if among is None else ~out & among
        predicted[out] = predictor(measured[seen], measured.masks[out], seed)
    return predicted


def quality(name: str, predicted: Floats, measured: Measurements) -> Fit:
    """R2, rank correlation and mean absolute error of predicted scores (masks,)."""
    scores = measured.scores
    return Fit(
        name=name,
        r2=float(r2_score(scores, predicted)),
        spearman=float(spearmanr(scores, predicted).statistic),
        mae=float(mean_absolute_error(scores, predicted)),
        masks=len(scores),
    )


def folds_of(masks: Masks, seed: int) -> NDArray[np.int64]:
    """The fold of each mask; every fold has its share of every Hamming weight."""
    folds = np.empty(len(masks), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(masks))
    order = order[np.argsort(masks[order].sum(axis=1), kind="stable")]
    folds[order] = np.arange(len(masks)) % FOLDS
    return folds


def _process(log: bool, seen: Measurements, masks: Masks, seed: int) -> Floats:
    return fit(seen, log=log).predict(masks)


def _network(seen: Measurements, masks: Masks, seed: int) -> Floats:
    from core.surrogate import paper_network

    return paper_network.fit(seen.masks, seen.scores, seed).predict(masks)


def _paper(seen: Measurements, masks: Masks, seed: int) -> Floats:
    from core.surrogate import paper_network

    return paper_network.fit_as_paper(seen.masks, seen.scores, seed).predict(masks)


def _trees(seen: Measurements, masks: Masks, seed: int) -> Floats:
    model = HistGradientBoostingRegressor(min_samples_leaf=5, max_leaf_nodes=8, random_state=seed)
    return np.asarray(np.exp(model.fit(seen.masks, seen.log_scores).predict(masks)))


def _pairs(seen: Measurements, masks: Masks, seed: int) -> Floats:
    model = make_pipeline(PolynomialFeatures(2, interaction_only=True), RidgeCV(np.logspace(-2, 4, 13)))
    return np.asarray(model.fit(seen.masks, seen.scores).predict(masks))


PROCESSES = ("Gaussian process on the log score", "Gaussian process on the score")
_PAPER = "Network, trained as in the paper"
KINDS: dict[str, Predictor] = {
    PROCESSES[0]: partial(_process, True),
    PROCESSES[1]: partial(_process, False),
    "Network ensemble (AdamW)": _network,
    _PAPER: _paper,
    "Boosted trees on the log score": _trees,
    "Ridge on pairs of layers": _pairs,
}
