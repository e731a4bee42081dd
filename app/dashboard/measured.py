"""The perplexity of one removal: predicted at once; measured from the results file, or while one looks on."""

import math

import streamlit as st

from app.dashboard import parts, reads
from app.dashboard.estimated import predictor_of
from app.dashboard.progress import show_stage, stage_of
from app.dashboard.session import state
from app.digits import RUINED, change, perplexity
from app.foreign import plain
from app.worker.client import Jobs
from app.worker.job import Job
from cache.basis import Basis
from cache.database import Database
from cache.evaluations import Perplexity
from cache.queries import StoredRun
from core.attribution.prediction import Predictor
from core.records.fits import Prediction
from core.records.results import RunResult
from core.records.spec import RunSpec

Expected = tuple[Prediction, Basis]  # what a surrogate says, and what that one rests on


def known(database: Database, run: StoredRun, removed: tuple[int, ...]) -> Perplexity | None:
    """The measured perplexity without some layers on the run's text, if it is in the results file."""
    return reads.all_known(database, run, (removed,)).get(removed)


def was_predicted(predictor: Predictor, removed: tuple[int, ...]) -> str:
    """What the surrogate says of a set that is measured, in small print: it was not asked, and stays as it was."""
    found = predictor.predict(removed)
    if predictor.surrogate.measured.perplexity(removed) is not None:
        return f"The surrogate has learnt from this measurement, and says {perplexity(found.perplexity)}."
    told = math.isfinite(found.high) and found.low <= RUINED
    interval = f", {interval_of(found.low, found.high)}" if told else ""
    how = "extrapolated" if found.extrapolated else "predicted"
    return f"Was {how} as {perplexity(found.perplexity)}{interval}."


def interval_of(low: float, high: float) -> str:
    """A 90 % interval of a perplexity in words."""
    return f"90 % interval {perplexity(low)} to {perplexity(high)}"


def show_known(result: RunResult, found: Perplexity) -> None:
    """A measured perplexity beside the whole model's."""
    shown, low, high = found
    dense = result.dense_perplexity
    st.metric(
        "Perplexity (measured)",
        perplexity(shown),
        f"{change(shown / dense)} against {perplexity(dense)}",
        delta_color="inverse",
    )
    if math.isfinite(high):
        st.caption(f"90 % interval for other text of this kind: {perplexity(low)} to {perplexity(high)}")


def show_prediction(result: RunResult, found: Prediction, basis: Basis) -> None:
    """What a surrogate of some evaluations expects, and how sure it is."""
    how = "extrapolated" if found.extrapolated else "predicted"
    st.metric(
        f"Perplexity ({how})",
        perplexity(found.perplexity),
        change(found.perplexity / result.dense_perplexity),
        delta_color="inverse",
        help=f"By a surrogate ({basis})",
    )
    if math.isfinite(found.high):
        others = f"; held for {found.band.coverage:.0%} of {found.band.masks} others of about that size"
        held = "" if found.optimism else others
        st.caption(f"90 % predictive interval: {perplexity(found.low)} to {perplexity(found.high)}{held}")
    if found.optimism:
        st.caption(
            f"Among the best predicted of its size, which are predicted too well: {math.expm1(found.optimism):.1%} are "
            "added, as much as such sets were found to fall short."
        )
    if found.extrapolated:
        st.caption("Far from every coalition that was measured: do not trust it.")


def show_cost(name: str, removed: tuple[int, ...], database: Database, run: StoredRun) -> None:
    """The perplexity without some layers; nothing while there are neither measurement nor predictive intervals.

    Args:
        name: what stands above the figure.
        removed: the layers.
        database: which knows what was measured.
        run: with a result.
    """
    result = run.result
    assert result is not None
    whole = f"Whole model: {perplexity(result.dense_perplexity)} (measured)"
    measured, predictor = known(database, run, removed), predictor_of(database, run)
    if measured is not None:
        ratio = f"{change(measured[0] / result.dense_perplexity)} against the whole model's"
        with st.container(width="content"):
            st.metric(
                f"{plain(name)} (measured)", perplexity(measured[0]), ratio, delta_color="inverse", help=plain(whole)
            )
            if predictor is not None:
                st.caption(was_predicted(predictor, removed))
    elif predictor is not None:
        expected = predictor.predict(removed)
        st.metric(
            f"{plain(name)} (predicted{', extrapolated' if expected.extrapolated else ''})",
            perplexity(expected.perplexity),
            interval_of(expected.low, expected.high),
            delta_color="off",
            delta_arrow="off",
            help=plain(f"By a surrogate ({reads.basis(database, run)}). {whole}"),
        )


def measure(
    shared: Jobs, spec: RunSpec, result: RunResult, removed: tuple[int, ...], expected: Expected | None = None
) -> None:
    """Asks for the measurement unless this session has asked already, and shows it sequence by sequence.

    Until there is a first one, what is `expected` stands in its place.
    """
    job = state.remembered_job("preview")
    if job is None or (job.spec, job.removed) != (spec, removed) or job.status == "cancelled":
        job = shared.preview(f"{state.session()}-preview", spec, removed)
        state.remember_job("preview", job)
    if job.measured is not None:  # and yet the results file does not know it: it is another game's
        st.metric("Perplexity (measured)", perplexity(job.measured.perplexity), help=plain(job.measured.protocol))
        parts.all_compare([job.measured], result)
    elif job.status == "failed":
        parts.show_failure(job.message, job.hint)
        if st.button("Try again", icon=":material/refresh:"):
            state.remember_job("preview", shared.preview(f"{state.session()}-preview", spec, removed))
            st.rerun()
    else:
        st.fragment(_live, run_every=0.25)(job, result, expected)


def _live(job: Job, result: RunResult, expected: Expected | None) -> None:
    """The measurement under way; its end redraws the page, which then knows it."""
    if not job.active:
        st.rerun(scope="app")
    if expected is None or job.partial is not None:
        show_under_way(job, result)
    else:
        show_prediction(result, *expected)
        st.caption(f"Being measured. {stage_of(job)}")


def show_under_way(job: Job, result: RunResult) -> None:
    """A measurement that has not ended: what is estimated from the sequences so far."""
    if job.partial is None:
        st.metric("Perplexity (being measured)", "…")
        show_stage(job)
    else:
        so_far = job.partial
        st.metric(
            f"Perplexity (estimated, {so_far.done} of {so_far.total} sequences)",
            perplexity(so_far.perplexity),
            change(so_far.perplexity / result.dense_perplexity),
            delta_color="inverse",
            help=plain(result.protocol),
        )
        if math.isfinite(so_far.high):
            st.caption(f"90 % interval of the end result: {perplexity(so_far.low)} to {perplexity(so_far.high)}")
