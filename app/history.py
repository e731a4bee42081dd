"""The runs there have been, and what can be done with one of them."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app import navigation, state, views
from app.jobs import Jobs
from cache.queries import StoredRun
from cache.store import Store
from core.types import RunSpec


def show_history(shared: Jobs, submit: Callable[[RunSpec], None]) -> None:
    """All runs of this file as a table; one can be shown, resumed (by `submit`) or deleted."""
    runs = views.stored_runs(shared.database)
    if not runs:
        return
    st.header("History")
    st.dataframe(pd.DataFrame([_row(run) for run in runs]), hide_index=True, alt="All runs, the newest first")
    chosen = st.selectbox("Run", runs, format_func=lambda run: f"{run.run} ({run.status})")
    with st.container(horizontal=True):
        if st.button("Show contributions", icon=":material/bar_chart:", disabled=chosen.result is None):
            st.switch_page(navigation.contributions(), query_params={"run": chosen.run})
        label = "Run again" if chosen.status == "finished" else "Resume"
        if st.button(label, icon=":material/resume:", disabled=chosen.status == "running"):
            submit(chosen.spec)
        if st.button("Delete", icon=":material/delete:", disabled=chosen.status == "running"):
            Store(shared.database).delete(chosen.run)
            state.forget_run(chosen.run)
            st.rerun()
    st.caption("Deleting a run keeps its evaluations: another run that needs them does not measure them again.")


def _row(run: StoredRun) -> dict[str, object]:
    spec, result = run.spec, run.result
    return {
        "run": run.run,
        "status": run.status,
        "started": run.started,
        "model": spec.model,
        "text": spec.corpus,
        "sampler": spec.sampler,
        "coalitions": spec.masks,
        "sequences": f"{spec.sequences} x {spec.window}",
        "seed": spec.seed,
        "dense perplexity": result.dense_perplexity if result else None,
        "surrogate R2": result.surrogate.r2 if result else None,
        "message": run.message or "",
    }
