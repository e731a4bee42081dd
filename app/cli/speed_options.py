"""The options of the command that times a smaller model."""

import argparse
from collections.abc import Callable
from pathlib import Path

from app.cli.arguments import add_removal, add_run, integers
from app.commands.behaviour import speed_commands
from core.records.behaviour.speeds import SpeedProtocol

_PAPER = SpeedProtocol()


def add_speed(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds it; `command` is the parser's own way to add one."""
    speed = command(
        "speed",
        speed_commands.speed,
        "how fast a smaller model writes beside the whole one, and what memory both take, measured in turn",
        "speed latest --count 1 --tokens 8 --runs 4 --warm-up 1",
    )
    add_run(speed)
    which = add_removal(speed)
    which.add_argument("--folder", type=Path, metavar="DIR", help="time the model in this folder, such as an export")
    speed.add_argument("--prompt", type=int, default=_PAPER.prompt, metavar="N", help="tokens of the prompt")
    speed.add_argument("--tokens", type=int, default=_PAPER.tokens, metavar="N", help="new tokens")
    speed.add_argument("--runs", type=int, default=_PAPER.runs, metavar="N", help="of each model")
    speed.add_argument("--warm-up", type=int, default=_PAPER.warm_up, metavar="N", help="of them that do not count")
    speed.add_argument(
        "--batches", type=integers, default=_PAPER.batches, metavar="N,N,…", help="texts at a time: 1,8,32 (default: 1)"
    )
