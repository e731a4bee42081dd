"""The options of the commands that tell how plans' models behave."""

import argparse
from collections.abc import Callable

from app.cli.arguments import add_removal, add_run, names, positive
from app.commands.behaviour import behaviour_commands
from core.records.behaviour.writes import TOKENS


def add_behaviour(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds them; `command` is the parser's own way to add one."""
    behaviour = command(
        "behaviour",
        behaviour_commands.behaviour,
        "what a plan's model writes, with a verdict, and where it agrees with the whole one on unseen text",
        "behaviour latest --count 1 --tokens 16",
    )
    add_run(behaviour)
    add_removal(behaviour)
    behaviour.add_argument("--tokens", type=positive, default=TOKENS, metavar="N", help="to write after each prompt")
    agreement = command(
        "agreement",
        behaviour_commands.agreement,
        "how near every plan's predictions of unseen text are to the whole model's, and the last words that it finds",
        "agreement latest --remove 1 --remove 1,2 --windows 4",
    )
    add_run(agreement)
    agreement.add_argument(
        "--remove",
        type=names,
        action="append",
        default=[],
        metavar="I,J,…",
        help="players to switch off; as often as there are removals (default: every plan of the last search)",
    )
    for of_text in (behaviour, agreement):
        of_text.add_argument(
            "--windows", type=positive, metavar="N", help="of unseen text (default: four times as many as the run has)"
        )
