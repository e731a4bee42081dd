"""The perplexity of one removal: predicted at once; measured from the results file, or while one looks on."""

import math

import streamlit as st

from app.dashboard import parts, reads, state
from app.dashboard.progress import show_stage
from app.foreign import plain
from app.worker.client import Jobs
from app.worker.job import Job
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.masks import encode, without
from core.evaluate.perplexity import perplexity_interval
from core.records.fits import Prediction
from core.records.results import RunResult
from core.records.spec import RunSpec

Known = tuple[float, float, float]  # perplexity, and its ratio's 90 % interval times the whole model's


def known(database: Database, run: StoredRun, removed: tuple[int, ...]) -> Known | None:
    """The measured perplexity without some layers on the run's text, if it is in the results file.

    The interval is for other text of this kind, of the ratio to the whole model's perplexity, times the latter: paired,
    since sequences that are hard for one are hard for the other.
    """
    assert run.result is not None
    layers = len(run.result.model.players)
    mask, whole = encode(without(layers, removed)), "1" * layers
    found = reads.losses(database, run.game, (mask, whole))
    if mask not in found or whole not in found:
        return None
    ratio, low, high = perplexity_interval(found[mask] - found[whole])
    dense = run.result.dense_perplexity
    return ratio * dense, low * dense, high * dense


def show_known(result: RunResult, found: Known) -> None:
    """A measured perplexity beside the whole model's."""
    perplexity, low, high = found
    st.metric(
        "Perplexity (measured)",
        f"{perplexity:.2f}",
        f"{perplexity / result.dense_perplexity - 1:+.1%} against {result.dense_perplexity:.2f}",
        delta_color="inverse",
        help=plain(result.protocol),
    )
    if math.isfinite(high):
        st.caption(f"90 % interval for other text of this kind: {low:.2f} to {high:.2f}")


def show_prediction(result: RunResult, found: Prediction) -> None:
    """What the surrogate expects, and how sure it is."""
    how = "extrapolated" if found.extrapolated else "predicted"
    st.metric(
        f"Perplexity ({how})",
        f"{found.perplexity:.2f}",
        f"{found.perplexity / result.dense_perplexity - 1:+.1%}",
        delta_color="inverse",
        help=f"By a surrogate of all that is measured of this model on this text; {plain(result.protocol)}",
    )
    if math.isfinite(found.high):
        others = f"; held for {found.band.coverage:.0%} of {found.band.masks} others of about that size"
        held = "" if found.optimism else others
        st.caption(f"90 % predictive interval: {found.low:.2f} to {found.high:.2f}{held}")
    if found.optimism:
        st.caption(
            f"Among the best predicted of its size, which are predicted too well: {math.expm1(found.optimism):.1%} are "
            "added, as much as such sets were found to fall short."
        )
    if found.extrapolated:
        st.caption("Far from every coalition that was measured: do not trust it.")


def measure(shared: Jobs, spec: RunSpec, result: RunResult, removed: tuple[int, ...]) -> None:
    """Asks for the measurement unless this session has asked already, and shows it sequence by sequence."""
    job = state.remembered_job("preview")
    if job is None or (job.spec, job.removed) != (spec, removed) or job.status == "cancelled":
        job = shared.preview(f"{state.session()}-preview", spec, removed)
        state.remember_job("preview", job)
    if job.measured is not None:  # and yet the results file does not know it: it is another game's
        st.metric("Perplexity (measured)", f"{job.measured.perplexity:.2f}", help=plain(job.measured.protocol))
        parts.all_compare([job.measured], result)
    elif job.status == "failed":
        parts.show_failure(job.message, job.hint)
        if st.button("Try again", icon=":material/refresh:"):
            state.remember_job("preview", shared.preview(f"{state.session()}-preview", spec, removed))
            st.rerun()
    else:
        st.fragment(_live, run_every=0.25)(job, result)


def _live(job: Job, result: RunResult) -> None:
    """The measurement under way; its end redraws the page, which then knows it."""
    if not job.active:
        st.rerun(scope="app")
    show_under_way(job, result)


def show_under_way(job: Job, result: RunResult) -> None:
    """A measurement that has not ended: what is estimated from the sequences so far."""
    if job.partial is None:
        st.metric("Perplexity (being measured)", "…")
        show_stage(job)
    else:
        so_far = job.partial
        st.metric(
            f"Perplexity (estimated, {so_far.done} of {so_far.total} sequences)",
            f"{so_far.perplexity:.2f}",
            f"{so_far.perplexity / result.dense_perplexity - 1:+.1%}",
            delta_color="inverse",
            help=plain(result.protocol),
        )
        if math.isfinite(so_far.high):
            st.caption(f"90 % interval of the end result: {so_far.low:.2f} to {so_far.high:.2f}")
