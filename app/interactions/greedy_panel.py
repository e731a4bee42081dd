"""Removing layers one by one is not optimal: where it goes wrong in a run's own game, and the measurement of it."""

from dataclasses import replace

import numpy as np
import streamlit as st

from app.dashboard import estimated, parts, reads, state
from app.dashboard.measured import show_cost
from app.figures.strip import strips
from app.foreign import plain
from app.words import named
from app.worker.client import Jobs
from app.worker.job import Job
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.masks import encode, without
from core.evaluate.perplexity import perplexity_interval
from core.records.results import RunResult
from core.selection.counterexample import Counterexample

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
        shown = _as_measured(shared.database, run, found)
        _show(shared.database, run, found, shown)
        if not shown.measured and st.button("Measure both removals", icon=":material/speed:"):
            sets = (found.one_by_one, found.better)
            asked = [
                shared.preview(f"{state.session()}-removal-{slot}", run.resolved, one) for slot, one in enumerate(sets)
            ]
            state.remember_jobs("removals", run.run, asked)
    asked = state.remembered_jobs("removals", run.run)
    if asked and asked[0].spec == run.resolved:
        active = any(job.active for job in asked)
        st.fragment(_answer, run_every=0.25 if active else None)(asked, result, active)


def _as_measured(database: Database, run: StoredRun, found: Counterexample) -> Counterexample:
    """The same with the gap that was measured, where both removals are by now; the choice of the two stays."""
    assert run.result is not None
    layers = len(run.result.model.players)
    one, better = (encode(without(layers, removed)) for removed in (found.one_by_one, found.better))
    losses = reads.losses(database, run.game, (one, better))
    if found.measured or len(losses) < 2:
        return found
    with np.errstate(divide="ignore"):
        gap, low, high = np.log(perplexity_interval(losses[one] - losses[better])).tolist()
    return replace(found, gap=gap, low=low, high=high, deviation=0.0, measured=True)


def _show(database: Database, run: StoredRun, found: Counterexample, shown: Counterexample) -> None:
    """The two removals and what they cost; `shown` with what is measured by now."""
    result = run.result
    assert result is not None
    how = "measured" if shown.measured else "predicted"
    names = {"one by one": found.one_by_one, f"better ({how})": found.better}
    st.html(strips(names, result))
    doubt = f" ± {found.deviation:.3f} (standard deviation): worse with a probability of {found.probability:.0%}"
    before = "" if found.measured else f"; was predicted as {found.gap:.3f} ± {found.deviation:.3f}"
    st.markdown(
        f"With **{found.count}** layers removed, the one-by-one choice loses **{abs(shown.gap):.3f}** nats a token "
        f"{'more' if shown.gap >= 0 else 'less'} ({how}){_over_texts(shown) + before if shown.measured else doubt}."
    )
    with st.container(horizontal=True):
        for name, removed in (("One by one", found.one_by_one), ("Better", found.better)):
            show_cost(f"{name}, without {named(result.model.players, removed)}", removed, database, run)
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
        f"{plain(names[1])}: {verdict}. The example above stays; "
        "a refit looks for one again, with all that is measured in hand."
    )
