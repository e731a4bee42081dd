"""The options of the command that searches for layers to remove."""

import argparse
from collections.abc import Callable

from app.cli.arguments import add_machines, add_run, factor, loss, names, positive, share
from app.cli.compensated import add_compensation
from app.commands.choosing import choose_commands


def add_select(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds it; `command` is the parser's own way to add one."""
    select = command(
        "select",
        choose_commands.select,
        "search for the best layers to remove, at every count, for a target, or to draft for the whole model",
        "select latest --max-increase 20% --units .2",
    )
    add_run(select)
    target = select.add_mutually_exclusive_group()
    target.add_argument("--count", type=positive, metavar="K", help="remove K players (default: every count)")
    target.add_argument("--ratio", type=share, metavar="R", help="remove this share of the players: .2 or 20%%")
    target.add_argument("--parameters", type=positive, metavar="N", help="leave at most N parameters")
    target.add_argument("--max-increase", type=share, metavar="X", help="perplexity at most this much higher: 5%%")
    target.add_argument(
        "--for",
        dest="purpose",
        choices=("draft",),
        metavar="draft",
        help="the plan that writes ahead of the whole model with the largest gain in time, if any does",
    )
    select.add_argument(
        "--max-loss",
        type=loss,
        action="append",
        default=[],
        metavar="TASK:P",
        help="accuracy at most P points lower, as `tasks` has measured it, of TASK or TASK/METRIC; one for each task "
        "(default: any)",
    )
    select.add_argument(
        "--min-speedup",
        type=factor,
        metavar="S",
        help="writes at least S times as fast, as `speed` has measured it (default: any)",
    )
    select.set_defaults(misused=select.error)
    select.add_argument("--protect", type=names, default=(), metavar="I,J,…", help="players that stay (default: none)")
    select.add_argument("--most", type=positive, metavar="K", help="plans of 1 to K players (default: half of them)")
    select.add_argument(
        "--units",
        type=float,
        help="compute; 1 is SLEB's path to 2/5 of the layers (default: as much as the last search, or 1)",
    )
    select.add_argument(
        "--earlier", action="store_true", help="begin with what was measured of this model on other texts"
    )
    add_compensation(select)
    add_machines(select)
    select.add_argument(
        "--fail",
        dest="missed",
        action="store_const",
        const=3,
        default=1,
        help="status 3 where no plan reaches the target",
    )
