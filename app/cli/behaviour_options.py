"""The options of the command that tells how a plan's model behaves."""

import argparse
from collections.abc import Callable

from app.cli.arguments import add_removal, add_run, positive
from app.commands.behaviour import behaviour_commands


def add_behaviour(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds it; `command` is the parser's own way to add one."""
    behaviour = command(
        "behaviour",
        behaviour_commands.behaviour,
        "what a plan's model writes, with a verdict, and where it agrees with the whole one on unseen text",
        "behaviour latest --count 1 --tokens 16",
    )
    add_run(behaviour)
    add_removal(behaviour)
    behaviour.add_argument("--tokens", type=positive, default=64, metavar="N", help="to write after each of 20 prompts")
    behaviour.add_argument(
        "--windows", type=positive, metavar="N", help="of unseen text (default: four times as many as the run has)"
    )
