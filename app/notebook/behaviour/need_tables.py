"""Which layers tasks need, as a cell gets it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from os import PathLike

import pandas as pd

from app.commands.behaviour.needed import alike, columns, needed
from app.notebook.answers import interaction_table, value_table
from app.notebook.behaviour.task_table import questions_of
from app.notebook.given import integer_of, integers_of
from app.notebook.sessions import work
from cache import queries
from cache.database import Database
from core.attribution.named_values import check_kind
from core.coalitions.players import names
from core.coalitions.worth import LOG_SCORE
from core.errors import SelectionError
from core.records.behaviour.needs import ANSWERS, TaskNeeds
from core.records.values import INTERACTIONS, VALUES


@dataclass(frozen=True, eq=False)
class Needs:
    """What tasks need, and the run's text over the same coalitions."""

    values: pd.DataFrame  # task ("text" first), player, value, low, high
    correlations: pd.DataFrame  # rank correlations of the layers, by each two of those tasks
    halves: dict[str, float]  # of each task, of values by two halves of its items
    worths: dict[str, str]  # of each task, what a coalition is worth, in words
    pairs: pd.DataFrame = field(repr=False)  # task, first, second, value, low, high, meaning, if they were asked for
    plans: pd.DataFrame = field(repr=False)  # a row for each task and size, if they were asked for


def need_tables(
    database: Database,
    run: queries.StoredRun,
    tasks: Sequence[str] | str,
    value: str,
    answers: str,
    masks: int | None,
    pairs: str | None,
    plans: Sequence[int] | int,
    data: str | PathLike[str] | None = None,
    limit: int | None = None,
    shots: int | None = None,
    fit: int | None = None,
) -> Needs:
    """What tasks need, in tables; arguments as of `AskedRun.needs` and `task_table`.

    Raises:
        QuorumError: before any forward if the request is wrong; what was answered stays in any case.
    """
    check_kind(value, tuple(kind for kind in VALUES if kind != "paper"), LOG_SCORE.name)
    if pairs is not None:
        check_kind(pairs, INTERACTIONS, LOG_SCORE.name)
    if answers not in ANSWERS:
        raise SelectionError(f"answers={answers!r} is unknown.", f"Take one of {', '.join(ANSWERS)}.")
    asked = partial(
        needed,
        database=database,
        run=run,
        questions=questions_of(tasks, data, limit, shots),
        value=value,
        answers=answers,
        masks=None if masks is None else integer_of(masks, "masks"),
        pairs=pairs,
        plans=() if plans == () else integers_of(plans, "plans"),
        fit=None if fit is None else integer_of(fit, "fit"),
    )
    found: list[TaskNeeds] = work(database, "lend", asked)[1]
    players, of = queries.players(database, run), columns(found)
    return Needs(
        values=_together([(task, value_table(values, players)) for task, values in of.items()]),
        correlations=pd.DataFrame(alike(found), index=list(of), columns=list(of)),
        halves={one.task: one.halves for one in found},
        worths={one.task: one.worth for one in found},
        pairs=_together([(one.task, interaction_table(one.pairs, players)) for one in found if one.pairs is not None]),
        plans=pd.DataFrame([row for one in found for row in _plan_rows(one, players)]),
    )


def _together(tables: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Tables, one below the other, that begin with the name of a task."""
    if not tables:
        return pd.DataFrame()
    return pd.concat([table.assign(task=task) for task, table in tables], ignore_index=True)[
        ["task", *tables[0][1].columns]
    ]


def _plan_rows(one: TaskNeeds, players: Sequence[str]) -> list[dict[str, object]]:
    return [
        {
            "task": one.task,
            "count": plan.count,
            "removed": list(names(players, plan.removed)),
            "of_run": list(names(players, plan.of_run)),
            "worth": plan.worth.value,
            "worth_error": plan.worth.error,
            "worth_of_run": plan.worth_of_run.value,
            "worth_of_run_error": plan.worth_of_run.error,
            "difference": plan.difference.value,
            "difference_error": plan.difference.error,
            "whole": plan.whole.value,
            "whole_error": plan.whole.error,
            "items": plan.judged_on,
        }
        for plan in one.plans
    ]
