"""The run that goes on, or how the last one ended and the way to go on with it; before any, the example that ships."""

from collections.abc import Callable, Sequence

import streamlit as st

from app.contributions.bars import contribution_bars
from app.dashboard import navigation, parts
from app.dashboard.progress import cancel_button, show_progress
from app.example import shipped
from app.foreign import code, plain
from app.words import called
from app.worker.client import Jobs
from app.worker.job import Job
from cache.queries import StoredRun
from core.records.spec import RunSpec

_UNFINISHED = ("interrupted", "cancelled", "failed")
_TALL = "A tall bar is a layer that the model needs; a bar near zero is one that it can lose."


def unfinished(job: Job | None, runs: Sequence[StoredRun]) -> tuple[RunSpec, str | None] | None:
    """What was asked for last and has not come to its end, with the run's name if it has one; None if nothing was.

    The worker's last job tells, or the results file where this server has been asked for nothing yet.
    """
    if job is not None:
        return (job.spec, job.run) if job.status in ("cancelled", "failed") else None
    return (runs[0].spec, runs[0].run) if runs and runs[0].status in _UNFINISHED else None


def show_newest(jobs: Jobs, job: Job | None, runs: Sequence[StoredRun], submit: Callable[[RunSpec], None]) -> None:
    """Progress while there is some, what has come of it, and a button that goes on with what ended too early."""
    if job is not None:
        _show_head(job.spec, job.run, job.result is not None)
        st.fragment(_live, run_every=1.0 if job.active else None)(job, jobs, job.revision)
    left = unfinished(job, runs)
    if left is not None:
        if job is None:
            _show_head(*left, runs[0].result is not None)
        _show_end(job.status if job is not None else runs[0].status, job, runs)
        if st.button("Resume", type="primary", icon=":material/resume:", key="resume-newest"):
            submit(left[0])
    elif job is not None and job.status == "finished" and job.result is not None:
        result = job.result
        st.success(
            f"Run {plain(result.run)} is finished: {result.measured} coalitions measured, {result.cached} taken "
            "from the "
            f"cache, {result.seconds:.0f} s. Dense perplexity {result.dense_perplexity:.2f} on "
            f"{plain(result.protocol)}."
        )
    if job is None:
        _show_example(runs)
    elif job.result is not None:
        _show_bars(job)


def _show_head(spec: RunSpec, run: str | None, has_result: bool) -> None:
    """Which run it is, and the way to its pages."""
    name = f" · run {code(run)}" if run else ""
    st.markdown(
        f"**{plain(called(spec.model))}** on **{plain(called(spec.corpus))}** · {spec.masks:,} coalitions{name}"
    )
    if run and has_result:
        with st.container(horizontal=True):
            for page in (navigation.contributions(), navigation.interactions(), navigation.preview()):
                st.page_link(page, query_params={"run": run})


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


def _show_bars(job: Job) -> None:
    result = job.result
    assert result is not None
    st.header("Contributions" + (" so far" if job.active else ""))
    far = f"{result.surrogate.masks} of {result.masks} coalitions"
    st.caption(f"From {far}{'; they sharpen as the run goes on' if job.active else ''}. {_TALL}")
    parts.show_chart(contribution_bars(result), key="newest-bars")


def _show_example(runs: Sequence[StoredRun]) -> None:
    """The run that ships, while nothing has been asked for: what one looks like when it is finished."""
    example = next(filter(shipped.is_example, runs), None)
    if example is None or example.result is None:
        return
    result = example.result
    st.info(
        f"**This is an example**, measured elsewhere ({plain(result.model.dtype)} on "
        f"{plain(result.model.device)}) with the default "
        "settings. Press **Start run** to measure on your machine: your own model or text, or the same again, which "
        "finds what the example has measured if your machine computes in the same precision."
    )
    st.header("Contributions in the example")
    st.caption(
        f"Estimated from {result.surrogate.masks} measured coalitions of {plain(called(result.model.source))}: "
        f"{plain(result.protocol)}. {_TALL}"
    )
    parts.show_chart(contribution_bars(result), key="example-bars")
