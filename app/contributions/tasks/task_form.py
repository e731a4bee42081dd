"""A task to ask of a run's coalitions, with what that will take; the process that computes asks it."""

from collections.abc import Sequence
from statistics import fmean

import streamlit as st

from app.dashboard import login, parts, reads
from app.dashboard.progress import watch
from app.foreign import plain
from app.requests import items_folder
from app.words import duration
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.coalitions.measurements import FEWEST_MASKS
from core.coalitions.worth import LOG_SCORE
from core.errors import QuorumError
from core.records.behaviour.needs import ACCURACY, ADAPTED, ANSWERS, FEWEST_ITEMS, fit_windows
from core.records.behaviour.task_scores import AGREEMENT, OWN_TASKS, PAPER_TASKS
from core.records.results import RunResult

_SAID = {
    "sums": "sums: small ones",
    "agreement": "agreement with the whole model",
    "refit": "refit: the run's text, the rest compensated by it",
    "scale": "scale: the run's text, the rest compensated by it",
}
_LIMIT = 50  # items, unless somebody wants others
_COMPENSATED = 50  # coalitions, unless somebody wants others: each has its cuts fitted
_SETS = 10  # that answer for each size of a plan, about, half of the items each


def show_form(shared: Jobs, run: StoredRun, result: RunResult, kind: str) -> None:
    """How far a task is that was asked, or what it takes to ask one."""
    job = shared.newest("needs", run.run)
    if job is not None and (job.active or job.status == "failed"):
        watch(job, shared, f"Asking {', '.join(job.details['tasks'])}")
        if job.active:
            return
    with st.popover("Ask a task", icon=":material/quiz:", disabled=run.status != "finished"):
        _fill(shared, run, result, kind)


def _fill(shared: Jobs, run: StoredRun, result: RunResult, kind: str) -> None:
    alone = login.visitor() is None
    task = st.selectbox(
        "Task",
        (*OWN_TASKS, *ADAPTED, *PAPER_TASKS),
        key="task",
        format_func=lambda name: _SAID.get(name, name),
        accept_new_options=alone,
        help="sums and agreement with the whole model need no data; refit and scale ask which layers the run's own "
        "text needs once the rest is compensated; the others are lm-eval's"
        + (", of which any other can be typed" if alone else ""),
    )
    own, adapted = task in (*OWN_TASKS, *ADAPTED), task in ADAPTED
    folder = ""
    if alone:  # what lies on this machine is its owner's to name
        folder = st.text_input(
            "Folder of items",
            placeholder="the Hub",
            key="task-data",
            disabled=own,
            help="With a file TASK.jsonl, a row for each item; empty takes the task's own data set from the Hub",
        ).strip()
    if own:  # the field keeps what was typed for another task
        folder = ""
    left, right = st.columns(2)
    answers = left.selectbox(
        "Worth",
        [LOG_SCORE.name] if adapted else [ACCURACY] if task == AGREEMENT else ANSWERS,
        format_func=lambda name: name.replace("_", " "),
        key="task-answers",
        help="margin: how much likelier the right choice is than the best wrong one; accuracy: whether it is right",
    )
    if adapted:
        limit = run.resolved.sequences
    else:
        limit = right.number_input(
            "Items", FEWEST_ITEMS, 10_000, _LIMIT, key="task-items", help="The task's first ones"
        )
    masks = right.number_input(
        "Coalitions",
        min(FEWEST_MASKS, result.masks),
        result.masks,
        min(result.masks, _COMPENSATED) if adapted else result.masks,
        key=f"task-masks-{run.run}-{result.masks}-{adapted:d}",
        help="Of the run's; the same first ones for every task",
    )
    pairs = left.toggle("Pairs", value=True, key="task-pairs", help="Also how layers interact: from the same answers")
    search = reads.selection(shared.database, run.run)
    sizes = [plan.count for plan in search.plans] if search is not None else []
    plans = right.toggle(
        "Plans",
        key="task-plans",
        disabled=not sizes or adapted,
        help="Also sets that the task misses least, beside the search's",
    )
    sizes = sizes if plans and not adapted else []
    st.caption(plain(_cost(run, result, int(limit), int(masks), sizes, adapted)))
    if st.button("Ask", type="primary", icon=":material/play_arrow:"):
        try:
            shared.task(
                "needs",
                run.resolved,
                login.visitor(),
                run=run.run,
                tasks=[str(task)],
                data=items_folder(folder),
                limit=int(limit),
                masks=int(masks),
                value=kind,
                answers=answers,
                pairs="shapley" if pairs else None,
                plans=sizes,
            )
        except QuorumError as error:
            parts.show_error(error)
        else:
            st.rerun()


def _cost(run: StoredRun, result: RunResult, items: int, masks: int, sizes: Sequence[int], adapted: bool) -> str:
    """How many answers that takes, and how long, if an item takes as long as a window of the run's text did."""
    answers = items * (1 + masks) + len(sizes) * _SETS * items // 2
    said = f"{answers:,} answers at most; those that are known are not asked again."
    if result.measured < result.masks // 2 or not result.seconds:
        return said
    seconds = answers * result.seconds / (result.measured * run.resolved.sequences)
    about, of = "About", ""
    if adapted:
        layers = len(result.model.players)
        fitted = fit_windows(run.resolved.window)
        cuts = fmean((layers - kept) * (kept + 1) / layers for kept in run.strata)  # runs of layers drawn at random
        seconds *= 1 + cuts * fitted / items
        about, of = "At least", f", and each of about {cuts:.0f} cuts of a coalition is fitted on {fitted} windows"
    took = f"{run.resolved.window} tokens of the run did{of}"
    return f"{said} {about} {duration(seconds)}, if an item takes as long as {took}."
