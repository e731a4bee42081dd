"""The options of the commands that ask models the items of tasks."""

import argparse
from collections.abc import Callable

from app.cli.arguments import add_players, add_run, add_weights, integers, names, natural, positive
from app.commands.behaviour import need_commands, task_commands
from core.records.behaviour.needs import ADAPTED, ANSWERS, MARGIN
from core.records.behaviour.task_scores import OWN_TASKS, PAPER_TASKS
from core.records.values import INTERACTIONS, VALUES


def add_tasks(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds them; `command` is the parser's own way to add one."""
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
    needs = command(
        "needs",
        need_commands.needs,
        "which layers tasks need: values of every layer for the answers to them, beside those for the text",
        "needs latest --tasks copa --data items --masks 20",
    )
    add_run(needs)
    needs.add_argument("--answers", choices=ANSWERS, default=MARGIN, help="what a coalition is worth")
    needs.add_argument(
        "--value", choices=[kind for kind in VALUES if kind != "paper"], default="shapley", help="of each layer"
    )
    needs.add_argument("--masks", type=positive, metavar="N", help="of the run's coalitions (default: all)")
    needs.add_argument(
        "--pairs",
        nargs="?",
        const="shapley",
        choices=INTERACTIONS,
        metavar="NAME",
        help="also interactions of pairs (default: none; where no NAME is given, shapley)",
    )
    needs.add_argument(
        "--plans",
        type=integers,
        default=(),
        metavar="K,…",
        help="also K players that each task is thought to miss least, beside the last search's (default: none)",
    )
    needs.add_argument(
        "--fit",
        type=positive,
        metavar="N",
        help=f"windows of each fit, with {' or '.join(ADAPTED)} (default: 4,096 tokens of them, and 8 at least)",
    )
    _add_items(tasks)
    _add_items(needs, f"; or {' or '.join(ADAPTED)}: the run's own text once the other layers are compensated")


def add_worth(run: argparse.ArgumentParser) -> None:
    """The task that a run goes on to, and which of its items."""
    run.add_argument(
        "--worth",
        metavar="KIND:TASK",
        help="also ask its coalitions a task: margin:arc_easy, accuracy:piqa, agreement (default: text alone)",
    )
    run.add_argument(
        "--limit", type=positive, metavar="N", help="its first N items, or windows of agreement (default: all)"
    )
    run.add_argument("--data", metavar="FOLDER", help="with its items as JSON lines (default: its own on the Hub)")


def _add_items(asking: argparse.ArgumentParser, more: str = "") -> None:
    """Which tasks, and which of their items."""
    asking.add_argument(
        "--tasks",
        type=names,
        default=PAPER_TASKS,
        metavar="NAME,…",
        help=f"of lm-eval, or {', '.join(OWN_TASKS)}, which need no data{more} (default: {', '.join(PAPER_TASKS)})",
    )
    asking.add_argument("--limit", type=positive, metavar="N", help="the first N items of each task (default: all)")
    asking.add_argument(
        "--shots", type=natural, metavar="N", help="solved examples before each item (default: what each task says)"
    )
    asking.add_argument(
        "--data", metavar="FOLDER", help="JSON lines of the items, one file a task (default: each task's on the Hub)"
    )
