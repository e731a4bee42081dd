"""The command that tells which layers tasks need."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np

from app.cli.opening import database_of, engine_on
from app.cli.terminal import returned, say
from app.commands.behaviour.need_lines import lines, pair_rows
from app.commands.behaviour.task_commands import check_installed, plans_of
from app.words import labels
from cache import evaluations, queries
from cache.store import Store
from core.coalitions.masks import Masks, encode
from core.coalitions.ranks import rank_correlations
from core.coalitions.worth import LOG_SCORE
from core.paths import user_path
from core.records.behaviour.needs import TaskNeeds

TEXT = "text"  # the run's own, whose worth is the log score


def needs(options: argparse.Namespace) -> None:
    """Values of every layer for tasks, side by side with those for the run's text, and how alike their ranks are."""
    check_installed()
    database = database_of(options)
    run = queries.find_run(database, options.run)
    players = queries.players(database, run)
    measured = evaluations.measurements(database, run)
    same = measured[_some(measured.masks, options.masks, run.spec.seed)]
    same.check_enough()
    plans = dict(zip(options.plans, plans_of(database, run, options.plans), strict=True))
    from core.attribution.named_values import layer_values
    from core.tasks.answering import Questions  # with torch, and data sets
    from core.tasks.needing import Estimates, needing

    folder = user_path(options.data) if options.data is not None else None
    asked = partial(
        needing,
        spec=run.resolved,
        questions=Questions(options.tasks, folder, options.limit, options.shots),
        masks=same.masks,
        wanted=Estimates(options.value, options.answers, run.strata, options.pairs, plans),
    )
    _, found = returned(engine_on(database).lend(asked))
    text = layer_values(same, options.value, LOG_SCORE.name, run.strata, run.spec.seed)
    found = [replace(one, text=text) for one in found]
    Store(database).record_needs(run.run, found)
    columns = {TEXT: text, **{one.task: one.values for one in found}}
    alike = rank_correlations([np.array([item.value for item in values.values]) for values in columns.values()])
    label = labels(players)
    answer = {
        "run": run.run,
        "value": options.value,
        "answers": options.answers,
        "masks": len(same),
        "text": [{**asdict(item), "layer": label[item.layer]} for item in text.values],
        "tasks": [_answer(one, label) for one in found],
        "correlations": {"of": list(columns), "spearman": alike},
    }
    say(options.json, answer, "\n".join(lines(options.value, label, columns, found, alike)))


def _answer(one: TaskNeeds, label: Sequence[int | str]) -> dict[str, Any]:
    """A task's, with layers by their names."""
    return {
        **{name: value for name, value in asdict(one).items() if name != "text"},
        "values": [{**asdict(item), "layer": label[item.layer]} for item in one.values.values],
        "surrogate": one.values.surrogate and asdict(one.values.surrogate),
        "pairs": one.pairs and {**asdict(one.pairs), "pairs": pair_rows(one, label)},
        "plans": [
            {
                **asdict(plan),
                "removed": [label[layer] for layer in plan.removed],
                "of_run": [label[layer] for layer in plan.of_run],
            }
            for plan in one.plans
        ],
    }


def _some(masks: Masks, count: int | None, seed: int) -> list[int]:
    """The rows of so many masks in an order of their own, which stays as it is when more are measured."""
    order = sorted(range(len(masks)), key=lambda row: sha256(f"{seed} {encode(masks[row])}".encode()).digest())
    return sorted(order[:count])
