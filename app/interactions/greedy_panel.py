"""Removing layers one by one is not optimal: where it goes wrong in a run's own game, and the measurement of it."""

import numpy as np
import streamlit as st

from app.dashboard import estimated, parts, state
from app.dashboard.perplexity_metric import show_cost
from app.figures.strip import strip_figure
from app.foreign import plain
from app.words import named
from app.worker.client import Jobs
from app.worker.job import Job
from cache.queries import StoredRun
from core.records.results import RunResult
from core.selection.counterexample import Counterexample
from core.surrogate.surrogate import Surrogate

PATHS = {
    "contribution": "the layers of least contribution (the paper's ranking)",
    "prediction": "one layer after the other, each time the one whose loss is predicted to cost least",
}


def show_greedy(shared: Jobs, run: StoredRun, result: RunResult) -> None:
    """The counterexample of this run; nothing is claimed where there is none."""
    st.header("Greedy is not optimal")
    st.markdown(
        "Removing layers one by one never takes a choice back, and pairs that make up for each other mislead it. Below "
        "is the smallest number of layers at which that is worse in **this** run's game, measured beyond the chance of "
        "the text or predicted beyond doubt (95 %); or else the likeliest one, which a measurement can settle."
    )
    path = parts.pick("path", "Remove one by one", list(PATHS), PATHS.__getitem__)
    found = estimated.counterexample(shared.database, run, path)
    if found is None:
        st.info(
            "None found up to half of the layers: no step of this path is worse than another removal of as many layers "
            "by measurement, or by prediction with a probability of two thirds."
        )
    else:
        _show(found, estimated.surrogate(shared.database, run), result)
        if not found.measured and st.button("Measure both removals", icon=":material/speed:"):
            sets = (found.one_by_one, found.better)
            asked = [
                shared.preview(f"{state.session()}-removal-{slot}", run.resolved, one) for slot, one in enumerate(sets)
            ]
            state.remember_removals(asked)
    asked = state.remembered_removals()
    if asked and asked[0].spec == run.resolved:
        active = any(job.active for job in asked)
        st.fragment(_answer, run_every=0.25 if active else None)(asked, result, active)


def _show(found: Counterexample, fitted: Surrogate, result: RunResult) -> None:
    """The two removals and what they cost."""
    how = "measured" if found.measured else "predicted"
    names = {"one by one": found.one_by_one, f"better ({how})": found.better}
    parts.show_chart(strip_figure(names, result.model.players), key="strips")
    doubt = f" ± {found.deviation:.3f} (standard deviation): worse with a probability of {found.probability:.0%}"
    st.markdown(
        f"With **{found.count}** layers removed, the one-by-one choice loses **{found.gap:.3f}** nats a token more "
        f"({how}){_over_texts(found) if found.measured else doubt}."
    )
    with st.container(horizontal=True):
        for name, removed in (("One by one", found.one_by_one), ("Better", found.better)):
            show_cost(f"{name}, without {named(result.model.players, removed)}", removed, fitted, result)
    st.caption(f"Whole model: {result.dense_perplexity:.2f} (measured). {plain(result.protocol)}.")


def _over_texts(found: Counterexample) -> str:
    """How sure a measured gap is."""
    if not np.isfinite(found.low):
        return ". From this text alone nobody can tell whether that holds on other text: **it does not count yet**"
    interval = f"; 90 % interval for other text of this kind {found.low:.3f} to {found.high:.3f}"
    return (
        interval
        if found.settled
        else f"{interval}, which holds 0: **it may be chance of the text, and does not count**"
    )


def _answer(asked: list[Job], result: RunResult, waited: bool) -> None:
    """The measurements of both, when they are there; the page then looks again with them in hand."""
    failed = next((job for job in asked if job.status == "failed"), None)
    if failed is not None:
        parts.show_failure(failed.message, failed.hint)
        return
    found = [job.measured for job in asked if job.measured is not None]
    if len(found) < len(asked):
        st.markdown("Measuring both removals …")
        return
    if waited:
        st.rerun(scope="app")
    if not parts.all_compare(found, result):
        return
    one, other = found
    names = [named(result.model.players, measured.removed) for measured in found]
    verdict = "the one-by-one choice **is worse**" if one.perplexity > other.perplexity else "it is **not** worse"
    st.markdown(
        f"Measured last: {one.perplexity:.2f} without {plain(names[0])} (one by one), {other.perplexity:.2f} without "
        f"{plain(names[1])}: {verdict}. The example above takes this into account."
    )
