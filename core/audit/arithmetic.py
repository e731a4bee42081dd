"""Whether the figures of a run are those of its coalitions, what values sum to, and whether they are exact."""

import numpy as np

from core.attribution.hybrid import averaging, correction, hybrid
from core.attribution.stratified import MOVE_SAMPLES
from core.audit.evidence import Evidence, difference, holds
from core.coalitions.masks import MOST_PLAYERS, everything
from core.coalitions.measurements import Measurements
from core.coalitions.worth import DIVERGENCES, LOG_SCORE, SCORE, WORTHS, Worth, targets
from core.records.audits import FAILS, HOLDS, UNKNOWN, Exactness, Figures, Sum, Sums
from core.records.values import CLOSED_FORMS, Contribution
from core.surrogate.conformal import bands
from core.surrogate.surrogate import fit_worth
from core.surrogate.validation import quality

_ROUNDING = 1e-9  # what sums and enumerated values may be off by, relative
_SAME = 1e-6  # the same for figures that another machine may have computed
_AGAIN = "start the run again: it measures nothing anew"


def figures(run: Evidence) -> Figures:
    """What a finished run keeps, against what its coalitions give."""
    kept = run.result
    if not run.finished:
        return Figures(UNKNOWN, "the run has not ended: its figures are on the way", 0, None)
    lost = kept.surrogate.masks - len(run.measured)
    if lost > 0:
        gone = f"{lost:,} of the {kept.surrogate.masks:,} coalitions that the run's figures rest on are gone"
        return Figures(FAILS, f"{gone} ({_AGAIN.replace('nothing anew', 'those alone')})", lost, None)
    if lost < 0:
        return Figures(
            FAILS, f"which coalitions are the run's was not kept by the release that made it ({_AGAIN})", 0, None
        )
    off = [difference(_rows(kept.contributions), _rows(run.contributions))]
    if not run.complete:
        found = bands(run.measured.masks, run.residuals, run.seed)
        off += [difference([band.half for band in kept.bands], [band.half for band in found])]
        fit = quality(kept.surrogate.name, run.in_use.held_out(run.seed), run.measured)
        off += [difference([kept.surrogate.r2], [fit.r2])]
    if max(off) <= _SAME:
        return Figures(HOLDS, "the run's figures are those that its coalitions give", 0, max(off))
    how = f"by {max(off):.1%}" if np.isfinite(max(off)) else "altogether"
    return Figures(FAILS, f"the run's figures differ {how} from what its coalitions give now ({_AGAIN})", 0, max(off))


def sums(run: Evidence) -> Sums:
    """Shapley values of each worth, summed up, against what was measured with all players and with none."""
    asked, found = [averaging("shapley", run.players)], []
    for worth in WORTHS.values():
        data = run.divergences if worth.measured == DIVERGENCES else run.measured
        if data is None:
            continue
        surrogate = {SCORE: run.in_use, LOG_SCORE: run.on_log}.get(worth) or fit_worth(data, worth.name, None)
        total = float(hybrid(surrogate, worth.log).values(asked, run.seed, MOVE_SAMPLES).sum())
        own = _whole(data, worth)
        measured = _whole(run.every, worth) if own is None and data is run.measured else own
        found.append(Sum(worth.name, total, measured, own is not None))
    off = {
        own: [difference(one.values, one.measured) for one in found if one.own == own and one.measured is not None]
        for own in (True, False)
    }
    if not off[True]:
        says = "values sum to a prediction (the run has not measured the model without all players"
        says += f"; others have, and it is off by {max(off[False]):.0%})" if off[False] else ")"
        return Sums(UNKNOWN, says, tuple(found))
    worst = max(off[True])
    if worst <= _ROUNDING:
        return Sums(HOLDS, f"values sum to what was measured (to {_rounded(worst)})", tuple(found))
    return Sums(FAILS, f"values miss the sum that was measured by {worst:.1%}", tuple(found))


def exactness(run: Evidence) -> Exactness:
    """Values against enumeration by their definition, where there are few enough players.

    The values are those that are shown; the game that is enumerated is the one that they are values of, in which what
    was measured counts as measured. Where all of it was measured, by whomever, contributions have exact ones to meet.
    """
    there, of = len(run.every) + 1, 2.0**run.players
    if run.players > MOST_PLAYERS:
        return Exactness(UNKNOWN, f"2^{run.players} coalitions are too many to enumerate", there, of, None, None, None)
    kinds = [averaging("stratified", run.players, run.result.strata)]
    kinds += [averaging(kind, run.players) for kind in CLOSED_FORMS]
    masks, off = everything(run.players), 0.0
    for surrogate, log in ((run.in_use, False), (run.on_log, True)):
        game = hybrid(surrogate, log)
        worths = game.predict(masks)
        enumerated = [correction(masks, worths, kind.sizes) for kind in kinds]
        off = max(off, difference(game.values(kinds, run.seed), enumerated))
    if there < of:
        says = f"values are those of the game enumerated (to {_rounded(off)}); {there:,} of {of:,.0f} are measured"
        wrong = f"values are {off:.1%} off those of the game enumerated"
        right = off <= _ROUNDING
        return Exactness(HOLDS if right else FAILS, says if right else wrong, there, of, off, None, None)
    all_ = np.concatenate([np.ones_like(masks[:1]), run.every.masks])
    exact = correction(all_, targets(run.every, log=False), kinds[0].sizes)
    value, low, high, _ = np.array(_rows(run.result.overall)).T
    error = float(np.linalg.norm(value - exact) / (np.linalg.norm(exact) or 1.0))
    slack = _ROUNDING * np.abs(exact).max()
    inside = int(((low - slack <= exact) & (exact <= high + slack)).sum())
    if run.complete:
        right = off <= _ROUNDING and error <= _ROUNDING
        says = f"every coalition was measured, and contributions are exact (to {_rounded(max(off, error))})"
        wrong = f"every coalition was measured, and yet contributions are {max(off, error):.1%} off the exact ones"
    else:
        right = off <= _ROUNDING and holds(inside, run.players)
        says = f"contributions are {error:.1%} off the exact ones, of which intervals hold {inside} of {run.players}"
        wrong = says
    return Exactness(HOLDS if right else FAILS, says if right else wrong, there, of, off, error, inside)


def _whole(measured: Measurements, worth: Worth) -> float | None:
    """What the whole model is worth more than none of its players; None where the latter was not measured."""
    nobody = np.flatnonzero(~measured.masks.any(axis=1))
    worths = worth.of(measured)
    return float(worths[0] - worths[1 + nobody[0]]) if len(nobody) else None


def _rows(items: tuple[Contribution, ...]) -> list[tuple[float, ...]]:
    """Their numbers; what one sequence alone does not tell is NaN in both of two that are compared."""
    return [(item.value, item.low, item.high, np.nan_to_num(item.calibration, nan=-1.0)) for item in items]


def _rounded(off: float) -> str:
    return f"{max(off, 1e-16):.0e}"
