"""Removing layers one by one is not optimal: where it goes wrong in a run's own game, and the measurement of it."""

from dataclasses import replace

import numpy as np
import streamlit as st

from app.dashboard import estimated, parts, reads
from app.dashboard.measured import show_cost
from app.dashboard.session import state
from app.digits import perplexity, significant
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


_WHY = (
    "Removing layers one by one never takes a choice back, and pairs that make up for each other mislead it. Shown is "
    "the smallest number of layers at which that is worse in **this** run's game, measured beyond the chance of the "
    "text or predicted beyond doubt (95 %); or else the likeliest one, which a measurement can settle. What stands "
    "behind ± is a standard deviation. In the strips, the layers that only one of the two removes are framed."
)


def show_greedy(shared: Jobs, run: StoredRun, result: RunResult) -> None:
    """The counterexample of this run; nothing is claimed where there is none."""
    with st.container(border=True, key="greedy"):
        left, middle, right = st.columns([3, 4, 1], vertical_alignment="bottom")
        left.header("Greedy is not optimal", anchor=False)
        with middle:
            path = parts.pick("path", "Remove one by one", list(PATHS), PATHS.__getitem__)
        with right.popover("Why", icon=":material/help:", width="stretch"):
            st.markdown(_WHY)
        found = estimated.counterexample(shared.database, run, path)
        if found is None:
            st.info(
                "None found up to half of the layers: no step of this path is worse than another removal of as many "
                "layers by measurement, or by prediction with a probability of two thirds."
            )
        else:
            _show(shared, run, found)
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


def _show(shared: Jobs, run: StoredRun, found: Counterexample) -> None:
    """The two removals, which of them is worse and how surely, and what each costs; measured on request."""
    result, shown = run.result, _as_measured(shared.database, run, found)
    assert result is not None
    how = "measured" if shown.measured else "predicted"
    sets = {"one by one": found.one_by_one, f"better ({how})": found.better}
    doubt = f" ± {significant(found.deviation)}, worse with a probability of {found.probability:.0%}"
    was = f"; was predicted as {significant(found.gap)} ± {significant(found.deviation)}"
    words = _over_texts(shown) + ("" if found.measured else was) if shown.measured else doubt
    st.markdown(
        f"With **{found.count}** layers removed, the one-by-one choice loses **{significant(abs(shown.gap))}** nats a "
        f"token {'more' if shown.gap >= 0 else 'less'} ({how}){words}."
    )
    st.html(strips(sets, result, differing=True))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        for name, removed in (("One by one", found.one_by_one), ("Better", found.better)):
            show_cost(name, removed, shared.database, run)
        if not shown.measured and st.button("Measure both removals", icon=":material/speed:"):
            client = state.session()
            asked = [
                shared.preview(f"{client}-removal-{slot}", run.resolved, one) for slot, one in enumerate(sets.values())
            ]
            state.remember_jobs("removals", run.run, asked)


def _over_texts(found: Counterexample) -> str:
    """How sure a measured gap is."""
    if not np.isfinite(found.low):
        return ". From this text alone nobody can tell whether that holds on other text: **it does not count yet**"
    interval = f"; 90 % interval for other text of this kind {significant(found.low)} to {significant(found.high)}"
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
        f"Measured last: {perplexity(one.perplexity)} without {plain(names[0])} (one by one), "
        f"{perplexity(other.perplexity)} without {plain(names[1])}: {verdict}. The example above stays; a refit looks "
        "for one again, with all that is measured in hand."
    )
