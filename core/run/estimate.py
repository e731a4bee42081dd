"""Measured coalitions of a run -> its result: contributions, the surrogate's quality, and how wide predictions are."""

import time

from core.attribution.named_values import interactions_of
from core.attribution.stratified import EARLY_SAMPLES, SAMPLES, estimate
from core.coalitions.measurements import FEWEST_MASKS
from core.records.results import Precision, RunResult
from core.run.tally import Tally
from core.surrogate.conformal import bands
from core.surrogate.surrogate import fit
from core.surrogate.validation import Validation, of_process


def early_result(tally: Tally) -> RunResult | None:
    """The result so far, by a process on the log score; None while there are too few scores to fit anything."""
    measured, seed = tally.measurements(), tally.spec.seed
    if len(measured) < FEWEST_MASKS:
        return None
    surrogate, other = fit(measured, log=True), fit(measured, log=False)
    return RunResult(
        run=tally.run,
        model=tally.model,
        protocol=tally.protocol,
        strata=tally.strata,
        masks=tally.total - 1,
        dense_perplexity=tally.dense_perplexity,
        contributions=estimate(surrogate, other, tally.strata, seed, EARLY_SAMPLES),
        surrogate=of_process(measured, True, seed),
        others=(),
        not_finite=len(tally.losses) - 1 - len(measured),
        measured=tally.measured,
        cached=tally.cached,
        seconds=time.monotonic() - tally.started,
        layer_parameters=tally.layer_parameters,
        added=tally.added,
    )


def final_result(tally: Tally, compared: Validation, precision: Precision | None) -> RunResult:
    """The result of all masks, by the process that predicts better.

    Args:
        tally: with enough scores to fit and to test on.
        compared: what all masks say of the surrogates.
        precision: what 16 bits cost.
    """
    measured, seed = tally.measurements(), tally.spec.seed
    chosen, other = (fit(measured, log=log).with_halves(seed) for log in (compared.log, not compared.log))
    on_log = (chosen, compared.best) if compared.log else (other, compared.others[0])
    return RunResult(
        run=tally.run,
        model=tally.model,
        protocol=tally.protocol,
        strata=tally.strata,
        masks=len(tally.masks) - 1,
        dense_perplexity=tally.dense_perplexity,
        contributions=estimate(chosen, other, tally.strata, seed, SAMPLES),
        surrogate=compared.best,
        others=compared.others,
        not_finite=len(tally.losses) - 1 - len(measured),
        measured=tally.measured,
        cached=tally.cached,
        seconds=time.monotonic() - tally.started,
        precision=precision,
        interactions=interactions_of(*on_log, "local", seed),
        bands=bands(measured.masks, compared.residuals, seed),
        layer_parameters=tally.layer_parameters,
        learnt=(chosen.learnt, other.learnt),
        added=tally.added,
    )
