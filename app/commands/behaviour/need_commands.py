"""The command that tells which layers tasks need."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from app.cli.opening import database_of, engine_on
from app.cli.pair_lines import pair_rows
from app.cli.terminal import returned, say
from app.commands.behaviour.need_lines import lines
from app.commands.behaviour.needed import TEXT, alike, columns, needed
from app.commands.behaviour.task_commands import check_installed
from app.words import labels
from cache import queries
from cache.database import Database
from core.paths import user_path
from core.records.behaviour.needs import TaskNeeds


def needs(options: argparse.Namespace) -> None:
    """Values of every layer for tasks, side by side with those for the run's text, and how alike their ranks are."""
    check_installed(options.tasks)
    database = database_of(options)
    run = queries.find_run(database, options.run)
    from core.tasks.answering import Questions  # with torch, and data sets

    folder = user_path(options.data) if options.data is not None else None
    asked = partial(
        needed,
        database=database,
        run=run,
        questions=Questions(options.tasks, folder, options.limit, options.shots),
        value=options.value,
        answers=options.answers,
        masks=options.masks,
        pairs=options.pairs,
        plans=options.plans,
        fit=options.fit,
    )
    found = returned(engine_on(database).lend(asked))
    answer, told = need_answer(database, run, options.value, options.answers, found)
    say(options.json, {"run": run.run, **answer}, told)


def need_answer(
    database: Database, run: queries.StoredRun, value: str, answers: str, found: Sequence[TaskNeeds]
) -> tuple[dict[str, Any], str]:
    """What tasks need, for a program and for a person.

    Args:
        database: holds the run.
        run: whose coalitions answered.
        value: its kind.
        answers: margin or accuracy.
        found: of each task.
    """
    label, of, ranks = labels(queries.players(database, run)), columns(found), alike(found)
    answer = {
        "value": value,
        "answers": answers,
        "masks": found[0].masks,
        "text": [{**asdict(item), "layer": label[item.layer]} for item in of[TEXT].values],
        "tasks": [_answer(one, label) for one in found],
        "correlations": {"of": list(of), "spearman": ranks},
    }
    return answer, "\n".join(lines(value, label, of, found, ranks))


def _answer(one: TaskNeeds, label: Sequence[int | str]) -> dict[str, Any]:
    """A task's, with layers by their names."""
    return {
        **{name: value for name, value in asdict(one).items() if name != "text"},
        "values": [{**asdict(item), "layer": label[item.layer]} for item in one.values.values],
        "surrogate": one.values.surrogate and asdict(one.values.surrogate),
        "pairs": one.pairs and {**asdict(one.pairs), "pairs": pair_rows(one.pairs, label)},
        "plans": [
            {
                **asdict(plan),
                "removed": [label[layer] for layer in plan.removed],
                "of_run": [label[layer] for layer in plan.of_run],
            }
            for plan in one.plans
        ],
    }
