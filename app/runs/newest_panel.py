"""The run that goes on, or how the last one ended and the way to go on with it; before any, the example that ships."""

from collections.abc import Callable, Sequence

import streamlit as st

from app.dashboard import login, parts
from app.dashboard.progress import cancel_button, show_progress
from app.example import shipped
from app.foreign import code, plain
from app.runs.conclusion import show_conclusion
from app.words import called
from app.worker.client import Jobs
from app.worker.job import Job
from cache.queries import StoredRun
from core.records.spec import RunSpec

_UNFINISHED = ("interrupted", "cancelled", "failed")


def unfinished(job: Job | None, runs: Sequence[StoredRun]) -> tuple[RunSpec, str | None] | None:
    """What was asked for last and has not come to its end, with the run's name if it has one; None if nothing was.

    The worker's last job tells, or the results file where this server has been asked for nothing yet.
    """
    if job is not None:
        return (job.spec, job.run) if job.status in ("cancelled", "failed") else None
    return (runs[0].spec, runs[0].run) if runs and runs[0].status in _UNFINISHED else None


def show_newest(jobs: Jobs, job: Job | None, runs: Sequence[StoredRun], submit: Callable[..., None]) -> None:
    """Progress while there is some, what has come of it, and a button that goes on with what ended too early."""
    left = unfinished(job, runs)
    with st.container(border=True):
        if job is not None:
            st.header("This run" if job.active else "The last run")
            _show_head(job.spec, job.run)
            st.fragment(_live, run_every=1.0 if job.active else None)(job, jobs, job.revision)
        elif left is not None:
            st.header("The last run")
            _show_head(*left)
        if left is not None:
            _show_end(job.status if job is not None else runs[0].status, job, runs)
            if st.button("Resume", type="primary", icon=":material/resume:", key="resume-newest"):
                # In the same words; but machines and folders are their owner's to name.
                submit(left[0], **(job.details if job is not None and job.owner == login.visitor() else {}))
        elif job is not None and job.status == "finished" and job.result is not None:
            result = job.result
            st.success(
                f"Run {plain(result.run)} is finished: {result.measured} coalitions measured, {result.cached} taken "
                f"from the cache, {result.seconds:.0f} s."
            )
        _show_result(jobs, job, runs)


def _show_result(jobs: Jobs, job: Job | None, runs: Sequence[StoredRun]) -> None:
    """What the run on show here has found so far, or the last one that has found something."""
    if job is not None:
        shown = next((run for run in runs if run.run == job.run and run.findings is not None), None)
    else:
        shown = next((run for run in runs if run.findings is not None), None)
    if shown is None or shown.result is None:
        if job is None:
            st.header("No result yet")
            st.markdown("Start a run: its first contributions are here within a tenth of its time.")
        return
    if job is None:
        st.header("The last result")
    if shipped.is_example(shown):
        model = shown.result.model
        st.caption(
            f"**This is an example**, measured elsewhere ({plain(model.dtype)} on {plain(model.device)}). **Start "
            "run** measures on your machine."
        )
    elif job is not None and job.active:
        st.caption(
            f"From {shown.result.surrogate.masks} of {shown.result.masks} coalitions so far; values sharpen as the run "
            "goes on."
        )
    show_conclusion(jobs.database, shown)


def _show_head(spec: RunSpec, run: str | None) -> None:
    """Which run it is."""
    name = f" · run {code(run)}" if run else ""
    st.markdown(
        f"**{plain(called(spec.model))}** on **{plain(called(spec.corpus))}** · {spec.masks:,} coalitions{name}"
    )


def _live(job: Job, jobs: Jobs, seen: int) -> None:
    """What the worker does now; a new result or the end redraws the page, whose charts otherwise keep their zoom."""
    if job.active:
        show_progress(job, jobs)
        for other in jobs.waiting(behind=job):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(
                    f"Next: {plain(called(other.spec.model))} on {plain(called(other.spec.corpus))}, "
                    f"{other.spec.masks} coalitions"
                )
                cancel_button(other, jobs)
    if job.revision != seen:
        st.rerun(scope="app")


def _show_end(status: str, job: Job | None, runs: Sequence[StoredRun]) -> None:
    """Why it has come to no end."""
    if job is not None and status == "failed":
        parts.show_failure(job.message, job.hint)
    elif status == "failed":
        parts.show_failure(
            f"The run has failed: {runs[0].message or 'no reason is known'}", "Mend that, and resume it."
        )
    else:
        st.warning(f"The run was {status}. Everything measured is kept: resume it, and it goes on where it was.")
