"""The fields of the form for a task that a run's coalitions are asked once they are measured."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.dashboard import login
from app.foresight import Forecast
from app.requests import items_folder
from app.words import duration
from core.records.behaviour.needs import ACCURACY, ANSWERS, FEWEST_ITEMS
from core.records.behaviour.task_scores import AGREEMENT, OWN_TASKS, PAPER_TASKS
from core.records.spec import RunSpec

_NONE = ""
_LIMIT = 50  # items, unless somebody wants others


def choose_task(left: DeltaGenerator, right: DeltaGenerator) -> None:
    """Draws them in two columns."""
    alone = login.visitor() is None
    task = left.selectbox(
        "Then ask",
        (_NONE, *OWN_TASKS, *PAPER_TASKS),
        key="then",
        format_func=lambda name: name or "nothing more",
        accept_new_options=alone,
        help="A task that the same coalitions answer: which layers it needs is on the page Contributions then. "
        "agreement (with the whole model) and sums need no data; the others are lm-eval's"
        + (", of which any other can be typed" if alone else ""),
    )
    if not task:
        return
    right.selectbox(
        "Worth",
        [ACCURACY] if task == AGREEMENT else ANSWERS,
        key="then-answers",
        help="margin: how much likelier the right choice is than the best wrong one; accuracy: whether it is right",
    )
    left.number_input("Items", FEWEST_ITEMS, 10_000, _LIMIT, key="then-items", help="The task's first ones")
    if _from_files(task):
        right.text_input(
            "Folder of items",
            placeholder="the Hub",
            key="then-data",
            help="With a file TASK.jsonl, a row for each item; empty takes the task's own data set from the Hub",
        )


def asked_task() -> dict[str, Any] | None:
    """What they say, as the task `needs` takes it; None where nothing is asked.

    Raises:
        TaskError: the folder is none.
    """
    task = st.session_state.get("then")
    if not task:
        return None
    return {
        "tasks": [str(task)],
        "data": items_folder(st.session_state.get("then-data", "")) if _from_files(task) else None,
        "limit": int(st.session_state["then-items"]),
        "answers": st.session_state["then-answers"],
        "value": "shapley",
        "pairs": "shapley",
        "masks": None,
        "plans": None,
    }


def _from_files(task: str) -> bool:
    """Whether its items may be files: what lies on this machine is its owner's to name."""
    return login.visitor() is None and task not in OWN_TASKS


def cost(then: dict[str, Any], spec: RunSpec, found: Forecast) -> str:
    """How many answers that takes, and how long if an item takes as long as a sequence of the run."""
    coalitions = found.coalitions or spec.masks + 1
    answers, fresh = then["limit"] * coalitions, coalitions - found.known
    said = f"{answers:,} answers about {then['tasks'][0]}, and those of sets for its own plans"
    if found.seconds is None or fresh < coalitions // 2:  # what is known already takes no time, and tells of none
        return f"{said}."
    about = duration(answers * found.seconds / (fresh * spec.sequences))
    return f"{said}; at least {about}, if an item takes as long as a sequence of the run."
