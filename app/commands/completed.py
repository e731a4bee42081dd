"""The command that lets a shell complete the others."""

import argparse

import shtab

from app.cli.terminal import say

SHELLS = shtab.SUPPORTED_SHELLS


def completion(options: argparse.Namespace) -> None:
    """A script for the shell, to be read when it starts."""
    from app.cli.parser import parser

    script = shtab.complete(parser("quorum"), options.shell)
    say(options.json, {"shell": options.shell, "script": script}, script.rstrip("\n"))
