"""The removal on show beside a second one: their layers, their losses sequence by sequence, and what both write."""

import math
from collections.abc import Mapping
from functools import partial
from operator import eq

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import parts, reads
from app.dashboard.progress import show_stage
from app.dashboard.session import state, widgets
from app.dashboard.tables import show_table
from app.digits import perplexity, significant
from app.figures.strip import strips
from app.preview.beside_figure import paired, paired_losses
from app.preview.writing.writing_panel import show_two_texts
from app.words import duration, named, numbers
from app.worker.client import Jobs
from app.worker.job import Job
from cache.queries import StoredRun
from core.coalitions.masks import encode, without
from core.errors import SelectionError
from core.records.results import RunResult

Sets = Mapping[str, tuple[int, ...]]  # what to compare with, by what a button says


def show_beside(shared: Jobs, run: StoredRun, result: RunResult, removed: tuple[int, ...], sets: Sets) -> None:
    """Chooses the second removal, which is in the address (?beside=3,7), and compares."""
    players = result.model.players
    others = {name: layers for name, layers in sets.items() if layers != removed}
    typed = widgets.picked("beside", named(players, next(iter(others.values()), ()), ","))
    key = widgets.key_showing("beside", partial(eq, typed))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        take = widgets.heed(key, partial(widgets.choose, "beside"))
        st.text_input("Beside it, without", typed, key=key, on_change=take, help="Names, commas between")
        for name, layers in others.items():
            st.button(name, on_click=widgets.choose, args=("beside", named(players, layers, ",")))
    try:
        other = numbers(players, typed)
    except SelectionError as error:
        parts.show_error(error)
        return
    if other == removed:
        st.info("The same layers: choose others, or type some.")
        return
    st.html(strips({"on show": removed, "other": other}, result, differing=True))
    _show_losses(shared, run, result, removed, other)
    with st.expander("What both write"):
        show_two_texts(shared, run.resolved, players, removed, other)


def _show_losses(
    shared: Jobs, run: StoredRun, result: RunResult, removed: tuple[int, ...], other: tuple[int, ...]
) -> None:
    """Both as measured on the run's text, from the results file; what is not there is measured on request."""
    layers = len(result.model.players)
    masks = [encode(without(layers, gone)) for gone in (removed, other)]
    found = reads.losses(shared.database, run.game, tuple(masks))
    missing = [gone for mask, gone in zip(masks, (removed, other), strict=True) if mask not in found]
    if missing:
        _measure(shared, run, result, (removed, other), missing)
        return
    one, second = (found[mask] for mask in masks)
    if not (np.isfinite(one).all() and np.isfinite(second).all()):
        st.warning("A loss of one of them is no number: it is ruined.")
        return
    mean, error = paired(one, second)
    st.markdown(
        f"On show: **{perplexity(math.exp(one.mean()))}**, other: **{perplexity(math.exp(second.mean()))}** "
        f"(measured). On show loses **{significant(mean, '+')} ± {significant(error)}** nats a token more.",
        help=f"The mean over {len(one)} sequences, each paired with itself, and its standard error: of this text",
    )
    parts.show_chart(paired_losses(one, second), key="paired")
    table = pd.DataFrame({"sequence": range(len(one)), "on show, nats a token": one, "other, nats a token": second})
    show_table(table, "The loss of each sequence without the one and the other", f"beside-{run.run}")


def _measure(
    shared: Jobs, run: StoredRun, result: RunResult, both: tuple[tuple[int, ...], ...], missing: list[tuple[int, ...]]
) -> None:
    """Asks for what is missing, with what that will take said before, and watches it."""
    how = f"about {duration(result.seconds / result.measured)} each" if result.measured else "seconds, mostly, each"
    if st.button(
        "Measure both" if len(missing) > 1 else "Measure the one that is not",
        icon=":material/speed:",
        help="Measured ahead of any task, and kept",
    ):
        asked = [
            shared.preview(f"{state.session()}-beside-{slot}", run.resolved, gone) for slot, gone in enumerate(missing)
        ]
        state.remember_jobs("beside", (run.run, both), asked)
    st.caption(f"{len(missing)} of 2 are to be measured: {how}, by the rate of this run, once the model is loaded.")
    asked = state.remembered_jobs("beside", (run.run, both))
    if asked:
        st.fragment(_watch, run_every=0.5 if any(job.active for job in asked) else None)(asked, result)


def _watch(asked: list[Job], result: RunResult) -> None:
    """How far the measurements are; their end redraws the page, which then knows them."""
    failed = next((job for job in asked if job.status == "failed"), None)
    if failed is not None:
        parts.show_failure(failed.message, failed.hint)
        return
    active = next((job for job in asked if job.active), None)
    if active is not None:
        done = sum(job.measured is not None for job in asked)
        st.markdown(f"Measuring: {done:d} of {len(asked)}")
        show_stage(active)
        return
    found = [job.measured for job in asked if job.measured is not None]
    if len(found) == len(asked) and parts.all_compare(found, result):
        st.rerun(scope="app")
