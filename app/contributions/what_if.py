"""A what-if: the perplexity without the layers that a user names, while it is measured and when it is known."""

import streamlit as st

from app.dashboard import parts
from app.dashboard.measured import show_under_way
from app.dashboard.session import state
from app.digits import change, perplexity
from app.foreign import plain
from app.words import named
from app.worker.client import Jobs
from app.worker.job import Job
from core.records.results import RunResult
from core.records.spec import RunSpec


def show_what_if(shared: Jobs, spec: RunSpec, result: RunResult) -> None:
    """The perplexity without the layers that the user names: measured, ahead of any run that goes on."""
    players = result.model.players
    removed = st.multiselect(
        "Layers to remove",
        range(len(players)),
        format_func=players.__getitem__,
        max_selections=len(players) - 1,
        help="The model is measured without them, on the text of this run",
    )
    parts.show_uncached(result.model, removed)
    if removed and st.button("Measure", type="primary", icon=":material/speed:"):
        state.remember_job("what-if", shared.preview(f"{state.session()}-what-if", spec, tuple(sorted(removed))))
    job = state.remembered_job("what-if")
    if job is not None and job.spec == spec:
        st.fragment(_answer, run_every=0.25 if job.active else None)(job, result)


def _answer(job: Job, result: RunResult) -> None:
    """The measurement, or that it is under way."""
    layers = ("layers " if len(job.removed) > 1 else "layer ") + named(result.model.players, job.removed)
    if job.active:
        st.markdown(f"Measuring without {plain(layers)} …")
        show_under_way(job, result)
    elif job.measured is not None:
        measured = job.measured
        comparable = parts.all_compare([measured], result)
        worse = change(measured.perplexity / result.dense_perplexity)
        st.metric(
            f"Perplexity without {plain(layers)} (measured)",
            perplexity(measured.perplexity),
            f"{worse} against the whole model's {perplexity(result.dense_perplexity)}" if comparable else None,
            delta_color="inverse",
        )
    elif job.status == "failed":
        parts.show_failure(job.message, job.hint)
