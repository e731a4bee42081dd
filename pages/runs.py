"""Start a run, watch it, cancel it, resume it; and the runs there have been."""

import streamlit as st

from app.contributions.bars import contribution_bars
from app.dashboard import login, parts
from app.dashboard.progress import cancel_button, show_progress
from app.example import shipped
from app.foreign import plain
from app.runs.form import show_form
from app.runs.history import show_history
from app.worker import client
from core.records.spec import RunSpec

shared = client.shared()
job = shared.newest()

st.title("Which layers does this model need?")
st.markdown(
    "The layers are players of a cooperative game. A run switches off many random sets of layers, measures how much "
    "worse the model then predicts text, and estimates from that what each layer contributes."
)


def live() -> None:
    """What the worker does now; a new result or the end redraws the page, whose charts otherwise keep their zoom."""
    if job is None:
        return
    if job.active:
        show_progress(job, shared)
        for other in shared.waiting(behind=job):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(
                    f"Next: {plain(other.spec.model)} on {plain(other.spec.corpus)}, {other.spec.masks} coalitions"
                )
                cancel_button(other, shared)
    if job.revision != seen:
        st.rerun(scope="app")


def show_example() -> None:
    """The run that ships, while nothing has been asked for: what one looks like when it is finished."""
    example = next(filter(shipped.is_example, parts.stored_runs(shared.database)), None)
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
        f"Estimated from {result.surrogate.masks} measured coalitions of {plain(result.model.source)}: "
        f"{plain(result.protocol)}. "
        "A tall bar is a layer that the model needs; a bar near zero is one that it can lose."
    )
    parts.show_chart(contribution_bars(result), key="example-bars")


def show_newest() -> None:
    """The run that goes on, or how the last one ended."""
    if job is None:
        show_example()
        return
    st.fragment(live, run_every=1.0 if job.active else None)()
    if job.status == "failed":
        parts.show_failure(job.message, job.hint)
    elif job.status == "cancelled":
        st.warning("The run was cancelled. Everything measured is kept: resume it below, or start it again.")
    elif job.status == "finished" and job.result is not None:
        result = job.result
        st.success(
            f"Run {plain(result.run)} is finished: {result.measured} coalitions measured, {result.cached} taken "
            "from the "
            f"cache, {result.seconds:.0f} s. Dense perplexity {result.dense_perplexity:.2f} on "
            f"{plain(result.protocol)}."
        )
    if job.result is not None:
        st.header("Contributions" + (" so far" if job.active else ""))
        st.caption(
            f"From {job.result.surrogate.masks} of {job.result.masks} coalitions; they sharpen as the run goes on. "
            "A tall bar is a layer that the model needs; a bar near zero is one that it can lose."
        )
        parts.show_chart(contribution_bars(job.result), key="newest-bars")


def submit(spec: RunSpec) -> None:
    login.check_model(spec)
    shared.submit(spec, login.visitor())
    st.rerun()


seen = job.revision if job is not None else 0
show_newest()
show_form(shared.database, submit)
show_history(shared, submit)
