"""The fields of a form for a task: of a run's coalitions once they are measured, or of one plan."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.dashboard import login
from app.foresight import Forecast
from app.requests import items_folder
from app.words import duration
from core.records.behaviour.needs import ACCURACY, ANSWERS, FEWEST_ITEMS
from core.records.behaviour.task_scores import AGREEMENT, OWN_TASKS, PAPER_TASKS, SUMS
from core.records.spec import RunSpec

_NONE = ""
_LIMIT = 50  # items, unless somebody wants others
_KEY = "then"


def choose_questions(left: DeltaGenerator, right: DeltaGenerator, key: str, optional: str = "") -> str:
    """Draws a task and which of its items, in two columns; returns the task, "" for none, which `optional` calls.

    Args:
        left, right: the columns.
        key: what the keys of the fields begin with.
        optional: what no task is called; without it some task is asked.
    """
    alone = login.visitor() is None
    task = left.selectbox(
        "Then ask" if optional else "Task",
        (_NONE, *OWN_TASKS, *PAPER_TASKS) if optional else (SUMS, *PAPER_TASKS),
        key=key,
        format_func=lambda name: name or optional,
        accept_new_options=alone,
        help=(
            "A task that the same coalitions answer: which layers it needs is on the page Contributions then. "
            "agreement (with the whole model) and sums need no data"
            if optional
            else "sums needs no data"
        )
        + "; the others are lm-eval's"
        + (", of which any other can be typed" if alone else ""),
    )
    if not task:
        return _NONE
    left.number_input("Items", FEWEST_ITEMS, 10_000, _LIMIT, key=f"{key}-items", help="The task's first ones")
    if _from_files(task):
        right.text_input(
            "Folder of items",
            placeholder="the Hub",
            key=f"{key}-data",
            help="With a file TASK.jsonl, a row for each item; empty takes the task's own data set from the Hub",
        )
    return str(task)


def asked_questions(key: str) -> dict[str, Any]:
    """What they say, where they name a task.

    Raises:
        TaskError: the folder is none.
    """
    task = st.session_state[key]
    return {
        "tasks": [str(task)],
        "data": items_folder(st.session_state.get(f"{key}-data", "")) if _from_files(task) else None,
        "limit": int(st.session_state[f"{key}-items"]),
    }


def choose_task(left: DeltaGenerator, right: DeltaGenerator) -> None:
    """Draws what a run's coalitions are asked, in two columns."""
    task = choose_questions(left, right, _KEY, "nothing more")
    if task:
        right.selectbox(
            "Worth",
            [ACCURACY] if task == AGREEMENT else ANSWERS,
            key=f"{_KEY}-answers",
            help="margin: how much likelier the right choice is than the best wrong one; accuracy: whether it is right",
        )


def asked_task() -> dict[str, Any] | None:
    """What those say, as the task `needs` takes it; None where nothing is asked.

    Raises:
        TaskError: the folder is none.
    """
    if not st.session_state.get(_KEY):
        return None
    answers = st.session_state[f"{_KEY}-answers"]
    estimates = {"answers": answers, "value": "shapley", "pairs": "shapley", "masks": None, "plans": None}
    return asked_questions(_KEY) | estimates


def _from_files(task: str) -> bool:
    """Whether its items may be files: what lies on this machine is its owner's to name."""
    return login.visitor() is None and task not in OWN_TASKS


def cost(then: dict[str, Any], spec: RunSpec, found: Forecast) -> str:
    """How many answers that takes, and how long if an item takes as long as a sequence of the run."""
    coalitions = found.coalitions or spec.masks + 1
    answers, fresh = then["limit"] * coalitions, coalitions - found.known
    said = f"{answers:,} answers about {then['tasks'][0]}, and more for plans of its own where a search has found some"
    if found.seconds is None or fresh < coalitions // 2:  # what is known already takes no time, and tells of none
        return f"{said}."
    about = duration(answers * found.seconds / (fresh * spec.sequences))
    return f"{said}; about {about}, if an item takes as long as a sequence of the run."
