"""A what-if: the perplexity without the layers that a user names, while it is measured and when it is known."""

import math

import streamlit as st

from app import state, views
from app.job import Job
from app.jobs import Jobs
from core.results import RunResult
from core.types import RunSpec


def show_what_if(shared: Jobs, spec: RunSpec, result: RunResult) -> None:
    """The perplexity without the layers that the user names: measured, ahead of any run that goes on."""
    st.header("Measure it")
    removed = st.multiselect(
        "Layers to remove",
        range(result.model.layers),
        max_selections=result.model.layers - 1,
        help="The model is measured without them, on the text of this run",
    )
    if removed and st.button("Measure", type="primary", icon=":material/speed:"):
        state.remember_preview(shared.preview(f"{state.client()}-what-if", spec, tuple(sorted(removed))))
    job = state.remembered_preview()
    if job is not None and job.spec == spec:
        st.fragment(_answer, run_every=0.25 if job.active else None)(job, result)


def _answer(job: Job, result: RunResult) -> None:
    """The measurement, or that it is under way."""
    layers = ("layers " if len(job.removed) > 1 else "layer ") + ", ".join(map(str, job.removed))
    if job.active:
        st.markdown(f"Measuring without {layers} … {job.stage}")
        if job.partial is not None:
            so_far = job.partial
            interval = f"90 % interval {so_far.low:.2f} to {so_far.high:.2f}" if math.isfinite(so_far.high) else None
            st.metric(
                f"Perplexity so far, from {so_far.done} of {so_far.total} sequences (estimated)",
                f"{so_far.perplexity:.2f}",
                interval,
                delta_color="off",
                delta_arrow="off",
            )
    elif job.measured is not None:
        measured = job.measured
        comparable = views.compares(measured, result)
        change = measured.perplexity / result.dense_perplexity - 1
        st.metric(
            f"Perplexity without {layers} (measured)",
            f"{measured.perplexity:.2f}",
            f"{change:+.1%} against the whole model's {result.dense_perplexity:.2f}" if comparable else None,
            delta_color="inverse",
            help=str(measured.protocol),
        )
        if not comparable:
            st.warning("The model or the text has changed since the run, so this figure does not compare with it.")
    elif job.status == "failed":
        views.show_failure(job.message, job.hint)
