"""What can be measured of plans here, with how long that takes where an earlier measurement tells."""

from collections.abc import Mapping

import streamlit as st

from app.dashboard import login, parts
from app.dashboard.progress import watch
from app.example import shipped
from app.foreign import plain
from app.preview.pareto.measures import Removed
from app.runs.task_fields import asked_questions, choose_questions
from app.words import duration
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.errors import QuorumError
from core.records.behaviour.speeds import GLANCE
from core.records.behaviour.task_scores import SUMS, SUMS_OF_A_PLAN, SUMS_TOKENS, TaskScore
from core.records.behaviour.traits import Traits
from core.records.behaviour.writes import TOKENS
from core.records.results import RunResult
from core.text.self_written.prompts import PROMPTS

_FEW = 20  # coalitions, of which the seconds are mostly those of loading
_KEY = "plan-task"


def show_offers(
    shared: Jobs,
    run: StoredRun,
    result: RunResult,
    known: Mapping[Removed, Traits],
    plans: list[Removed],
    removed: Removed,
) -> None:
    """Agreement and sums of all plans or of the set on show, and any task of that one; what of it goes on."""
    for kind, name in (("agree", "Predicting unseen text, and small sums"), ("tasks", "Asking the task")):
        job = shared.newest(kind, run.run)
        if job is not None and (job.active or job.status == "failed"):
            watch(job, shared, name)
            if job.active:
                return
    with st.popover("Measure more", icon=":material/add_chart:"):
        for label, sets in (("Agreement of all plans", plans), ("Agreement of this one", [removed] if removed else [])):
            _agree(shared, run, result, known, label, sets)
        if removed:
            _ask(shared, run, result, removed)
        _tell_elsewhere(known)


def _agree(
    shared: Jobs, run: StoredRun, result: RunResult, known: Mapping[Removed, Traits], label: str, sets: list[Removed]
) -> None:
    """What is not known yet of what some sets predict, and of their small sums."""
    lacking = sum(not known[one].predicts for one in sets)
    windows = (lacking + 1) * run.spec.sequences if lacking else 0
    unasked = sum(not any(map(_is_asked, known[one].task.values())) for one in [(), *sets])
    items = unasked * SUMS_OF_A_PLAN
    if st.button(label, icon=":material/join_inner:", disabled=not sets or not (windows or items)):
        shared.task("agree", run.resolved, login.visitor(), run=run.run, removals=[list(one) for one in sets])
        st.rerun()
    if sets:
        about = _about(run, result, windows + unasked * SUMS_TOKENS / run.spec.window)
        seen = f"{windows:,} windows of unseen text, and " if windows else ""
        st.caption(f"{plain(seen)}{items:,} small sums{plain(about)}." if windows or items else "All of it is known.")


def _ask(shared: Jobs, run: StoredRun, result: RunResult, removed: Removed) -> None:
    """A task for the whole model and for the set on show."""
    choose_questions(st.container(), st.container(), _KEY)
    try:
        asked = asked_questions(_KEY)
    except QuorumError as error:
        parts.show_error(error)
        return
    if st.button("Accuracy of this one", icon=":material/quiz:"):
        shared.task("tasks", run.resolved, login.visitor(), run=run.run, removals=[list(removed)], **asked)
        st.rerun()
    about = _about(run, result, 2 * asked["limit"])
    st.caption(f"{2 * asked['limit']:,} items, of both models{plain(about)}.")


def _tell_elsewhere(known: Mapping[Removed, Traits]) -> None:
    """What two other buttons take, by how fast the whole model wrote when a plan's speed was measured."""
    timed = next((one.faster for one in known.values() if one.faster is not None), None)
    if timed is None:
        st.caption("How long *Measure the speed* and *Judge its writing* take is known once a speed is measured.")
        return
    one_token = timed.whole.paces[timed.single or 0].decode.mean / (timed.protocol.tokens - 1)
    speed, writing = (duration(2 * texts * one_token) for texts in (GLANCE.runs * GLANCE.tokens, len(PROMPTS) * TOKENS))
    st.caption(
        f"*Measure the speed*, above: about {plain(speed)}; *Judge its writing*, in *Writing*: about {plain(writing)} "
        "(extrapolated from the whole model's last pace)."
    )


def _is_asked(score: TaskScore) -> bool:
    """Whether it is of those sums that every plan is asked."""
    return score.task == SUMS and score.items == SUMS_OF_A_PLAN


def _about(run: StoredRun, result: RunResult, items: float) -> str:
    """How long so many take, if each takes as long as a window of the run did; nothing where none took any here."""
    if shipped.is_example(run) or result.measured < _FEW or not result.seconds:
        return ""
    return f": about {duration(items * result.seconds / (result.measured * run.spec.sequences))} (extrapolated)"
