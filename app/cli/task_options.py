"""The options of the command that asks models the items of tasks."""

import argparse
from collections.abc import Callable

from app.cli.arguments import add_players, add_run, add_weights, names, natural, positive
from app.commands.behaviour import task_commands
from core.records.behaviour.task_scores import PAPER_TASKS


def add_tasks(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds it; `command` is the parser's own way to add one."""
    tasks = command(
        "tasks",
        task_commands.tasks,
        "accuracy on lm-eval's tasks, whole and without some layers",
        "tasks latest --remove 1,2 --tasks copa --data items",
    )
    add_run(tasks, "?")
    tasks.set_defaults(misused=tasks.error)
    add_weights(tasks)
    add_players(tasks)
    tasks.add_argument(
        "--remove",
        type=names,
        action="append",
        default=[],
        metavar="I,J,…",
        help="players to switch off; as often as there are removals to compare (default: none)",
    )
    tasks.add_argument(
        "--plan",
        type=positive,
        action="append",
        default=[],
        metavar="K",
        help="the K players that the last search chose; as often as there are plans (default: none)",
    )
    tasks.add_argument(
        "--tasks",
        type=names,
        default=PAPER_TASKS,
        metavar="NAME,…",
        help=f"of lm-eval (default: {', '.join(PAPER_TASKS)})",
    )
    tasks.add_argument("--limit", type=positive, metavar="N", help="the first N items of each task (default: all)")
    tasks.add_argument(
        "--shots", type=natural, metavar="N", help="solved examples before each item (default: what each task says)"
    )
    tasks.add_argument(
        "--data", metavar="FOLDER", help="JSON lines of the items, one file a task (default: each task's on the Hub)"
    )
