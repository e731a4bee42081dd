"""How many of the intervals of a run hold: for coalitions, for other texts, and for sets that were chosen."""

import numpy as np

from core.attribution import doubt
from core.attribution.hybrid import Hybrid, averaging
from core.attribution.prediction import Predictor
from core.audit.evidence import Evidence, holds
from core.coalitions.measurements import Floats
from core.records.audits import FAILS, HOLDS, UNKNOWN, Chosen, Coalitions, OfSize, Texts
from core.surrogate.conformal import bands, half_of, halves_of_others
from core.surrogate.surrogate import folds_of
from core.surrogate.validation import quality

_FEWEST, _FEWEST_OF_SIZE = 30, 20  # held-out coalitions that tell something of nine in ten
_TELLS = 0.25  # of the variance of held-out log scores: a surrogate that explains less predicts nothing to speak of
_FEWEST_PLANS, _TOO_GOOD = 5, 1.1  # of chosen sets, measured over predicted perplexity
_FEWEST_SEQUENCES, _SPLITS, _SAMPLES = 4, 6, 300
# Contributions on one text are right or wrong together, so that their share is no count of independent trials. Of 150
# made-up runs whose texts were draws of one kind, none was below.
_TEXTS_INSIDE = 0.75


def coalitions(run: Evidence) -> Coalitions:
    """Predictive intervals set without each fold of the coalitions, and those that the run shows."""
    if run.complete:
        return Coalitions(HOLDS, "every coalition was measured: none is predicted", 0, 0, None, None, None, ())
    masks, r2 = run.measured.masks, quality(run.on_log.name, run.predicted, run.measured, log=True).r2
    half = halves_of_others(masks, run.residuals, folds_of(masks, run.seed), run.seed)
    told = np.isfinite(half) & masks.any(axis=1)
    kept, off, half = masks[told].sum(axis=1), np.abs(run.residuals[told]), half[told]
    held, of = off <= half, int(told.sum())
    inside = int(held.sum())
    sizes = tuple(
        OfSize(int(size), int(held[kept == size].sum()), int((kept == size).sum())) for size in np.unique(kept)[::-1]
    )
    shown = None
    if run.result.bands:
        shown = int((off <= [half_of(run.result.bands, int(size)) for size in kept]).sum())
    factor = float(np.exp(np.median(half))) if of else None
    if of < _FEWEST:
        says = f"{len(masks)} coalitions are too few to test intervals of predictions"
        return Coalitions(UNKNOWN, says, inside, of, shown, factor, r2, sizes)

    said = f"{inside / of:.0%} of {of:,} held-out coalitions"
    tested = [size for size in sizes if size.of >= _FEWEST_OF_SIZE]
    worst = min(tested, key=lambda size: size.inside / size.of, default=None)
    if not r2 >= _TELLS:
        state, says = FAILS, f"predictions of held-out coalitions explain nothing to speak of (R² {r2:.2f})"
    elif not holds(inside, of):
        state, says = FAILS, f"90 % intervals held {said}"
    elif shown is not None and not holds(shown, of):
        state, says = FAILS, f"90 % intervals that the run shows held {shown / of:.0%} of {of:,} held-out coalitions"
    elif worst is not None and not holds(worst.inside, worst.of, len(tested)):
        state = FAILS
        says = f"90 % intervals held {said}, but {worst.inside} of the {worst.of} that keep {worst.kept} players"
    else:
        state, says = HOLDS, f"90 % intervals (perplexity times or divided by {factor:.2f}) held {said}"
    return Coalitions(state, says, inside, of, shown, factor, r2, sizes)


def texts(run: Evidence) -> Texts:
    """Intervals of contributions for other texts, as wide as the run's own, between halves of its sequences."""
    measured, sequences = run.measured, len(run.measured.dense)
    if sequences < _FEWEST_SEQUENCES:
        return Texts(UNKNOWN, "too few sequences to test intervals for other texts", None, 0, sequences)
    copies = sequences - np.unique(np.vstack([measured.dense, measured.losses]), axis=1).shape[1]
    if copies:
        says = f"{copies} of {sequences} sequences are copies of others: intervals for other texts are too narrow"
        return Texts(FAILS, says, None, 0, sequences)
    kinds = [averaging("stratified", run.players, run.result.strata)]

    def figure(game: Hybrid) -> Floats:
        return np.asarray(game.values(kinds, run.seed, _SAMPLES)[0])

    scale = np.ones(run.players)
    if run.finished:
        shown = np.array([item.calibration for item in run.result.overall])
        due = np.array([item.calibration for item in run.contributions if item.stratum is None])
        scale = np.divide(shown, due, out=scale, where=due > 0)
    inside = float(doubt.between_texts(run.in_use, False, figure, scale, _SPLITS, run.seed).mean())
    says = f"intervals for other texts held {inside:.0%} between halves of {sequences} sequences"
    return Texts(HOLDS if inside >= _TEXTS_INSIDE else FAILS, says, inside, _SPLITS, sequences)


def chosen(run: Evidence) -> Chosen:
    """The plans of a search that are none of the run's coalitions, against what the run's surrogate predicts."""
    widths = run.result.bands or bands(run.measured.masks, run.residuals, run.seed)
    predictor, pairs = Predictor(run.on_log, widths), []
    for removed in sorted(set(run.plans), key=len):
        measured = run.every.perplexity(removed)
        if measured is not None and run.measured.perplexity(removed) is None:
            pairs.append((measured, predictor.predict(removed)))
    if not pairs:
        return Chosen(UNKNOWN, "no chosen set was predicted and measured", 0, 0, None)
    inside = sum(found.low <= measured <= found.high for measured, found in pairs)
    with np.errstate(over="ignore", divide="ignore"):
        factor = float(np.exp(np.mean([np.log(measured / found.perplexity) for measured, found in pairs])))
    off = f"{factor - 1:.0%} too good" if factor >= 1 else f"{1 / factor - 1:.0%} too bad"
    says = f"chosen sets: predicted {off}, {inside} of {len(pairs)} inside their intervals"
    state = HOLDS if factor <= _TOO_GOOD and holds(inside, len(pairs)) else FAILS
    if state == HOLDS and len(pairs) < _FEWEST_PLANS:
        state = UNKNOWN
    return Chosen(state, says, inside, len(pairs), factor)
