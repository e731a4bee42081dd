"""Measured coalitions of a run -> its result: contributions, the surrogate's quality, and how wide predictions are."""

import time
from dataclasses import replace

from core.attribution.contributions import contributions
from core.attribution.named_values import interactions_of
from core.attribution.stratified import EARLY_SAMPLES
from core.coalitions.measurements import FEWEST_MASKS
from core.records.fits import Learnt
from core.records.results import Precision, RunResult
from core.run.tally import Tally
from core.surrogate.conformal import bands
from core.surrogate.surrogate import fit
from core.surrogate.validation import Validation, of_process, quality


def early_result(tally: Tally, learnt: Learnt | None = None) -> tuple[RunResult, Learnt] | None:
    """The result so far, by a process on the log score, and what it has learnt; None where scores are too few to fit.

    Args:
        tally: what is measured.
        learnt: what a fit to fewer coalitions has, if it is to serve: learning takes most of a fit's time.
    """
    measured, seed = tally.measurements(), tally.spec.seed
    if len(measured) < FEWEST_MASKS:
        return None
    surrogate = fit(measured, learnt=learnt).with_fifths(seed)
    result = RunResult(
        run=tally.run,
        model=tally.model,
        protocol=tally.protocol,
        strata=tally.strata,
        masks=tally.total - 1,
        dense_perplexity=tally.dense_perplexity,
        contributions=contributions(surrogate, tally.strata, seed, EARLY_SAMPLES),
        surrogate=of_process(surrogate, seed),
        others=(),
        not_finite=len(tally.losses) - 1 - len(measured),
        measured=tally.measured,
        cached=tally.cached,
        seconds=time.monotonic() - tally.started,
        layer_parameters=tally.layer_parameters,
        added=tally.added,
    )
    return result, surrogate.learnt


def final_result(tally: Tally, compared: Validation, precision: Precision | None) -> RunResult:
    """The result of all masks; once other surrogates are compared with the one in use, with those.

    Args:
        tally: with enough scores to fit and to test on.
        compared: what all masks say of the surrogates.
        precision: what 16 bits cost.
    """
    measured, seed = tally.measurements(), tally.spec.seed
    on_log, on_score = compared.stacked.on_log, compared.stacked.on_score
    own = quality(on_log.name, compared.predicted[on_log.name], measured, log=True)
    return RunResult(
        run=tally.run,
        model=tally.model,
        protocol=tally.protocol,
        strata=tally.strata,
        masks=len(tally.masks) - 1,
        dense_perplexity=tally.dense_perplexity,
        contributions=contributions(compared.stacked, tally.strata, seed),
        surrogate=compared.used,
        others=compared.others,
        not_finite=len(tally.losses) - 1 - len(measured),
        measured=tally.measured,
        cached=tally.cached,
        seconds=time.monotonic() - tally.started,
        precision=precision,
        interactions=interactions_of(on_log, own, "local", seed),
        bands=bands(measured.masks, compared.residuals, seed),
        layer_parameters=tally.layer_parameters,
        learnt=(
            replace(on_log.learnt, quality=own),
            replace(on_score.learnt, quality=next(item for item in compared.others if item.name == on_score.name)),
        ),
        level=compared.stacked.level,
        added=tally.added,
    )
