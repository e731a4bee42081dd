"""Start a run, watch it, cancel it, resume it; and the runs there have been."""

from typing import Any

import streamlit as st

from app.comparing.compare_runs import compared, show_comparison
from app.dashboard import login, parts
from app.dashboard.session import state
from app.runs.form import show_form
from app.runs.history import show_history
from app.runs.newest_panel import show_newest, unfinished
from app.worker import client
from core.records.spec import RunSpec

shared = client.shared()
job = shared.newest()
runs = parts.stored_runs(shared.database)

st.title("Which layers does this model need?")
chosen = parts.run_on_show(runs)
comparing = bool(compared(chosen, runs))  # a room of its own: what runs have to do with each other
if not comparing:
    st.markdown("A run switches off random sets of layers, and estimates what each contributes to predicting text.")


def submit(spec: RunSpec, *, search: bool = True, **more: Any) -> None:
    """Asks for a run, which this session then follows."""
    login.check_model(spec)
    state.remember_job("run", shared.submit(spec, login.visitor(), search=search, **more))
    st.rerun()


left = unfinished(job, runs) if not comparing else None
# Each has a place of its own: what somebody is writing would be lost if the browser had to move its field.
form, newest = st.columns(2)
beside, history = st.container(), st.container()
if not comparing:
    with newest:
        show_newest(shared, job, runs, submit)
    with form:
        show_form(shared, submit, another=left is not None or (job is not None and job.active))
with beside:
    if chosen is not None:
        show_comparison(chosen, runs)
with history:
    show_history(shared, runs, submit, resumed_above=left[1] if left is not None else None)
