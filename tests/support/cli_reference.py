"""Every command of `python -m app`, its options and their defaults, as its parser knows them."""

import argparse
import re
from collections.abc import Iterator
from typing import Any

from app.cli.parser import parser

# What every command has is said once.
_EVERYWHERE = ("--help", "--json", "--cache")
# A default in words, which is no value.
_TOLD = re.compile(r" \(default: (.*)\)$")
# What stands for a value whose parser gives it no name.
_KINDS: dict[object, str] = {int: "N", float: "X"}


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parsers by what is typed: `run`, `evaluations export`, …"""
    return dict(_commands(parser(), ()))


def _commands(of: argparse.ArgumentParser, typed: tuple[str, ...]) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    inside = [action for action in of._actions if isinstance(action, argparse._SubParsersAction)]
    if not inside:
        yield " ".join(typed), of
    for action in inside:
        for name, command in action.choices.items():
            yield from _commands(command, (*typed, name))


def options(command: str) -> str:
    """What a command does and takes, in Markdown."""
    of = commands()[command]
    shown = [action for action in of._actions if action.option_strings and action.option_strings[-1] not in _EVERYWHERE]
    assert of.description is not None
    lines = [
        "```sh",
        f"python -m app {command} {_arguments(of)}",
        "```",
        "",
        f"{of.description[0].upper()}{of.description[1:]}.",
    ]
    if shown:
        lines += ["", "| option | default | what it says |", "| --- | --- | --- |"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(action, of)) + " |" for action in shown]
    assert of.epilog is not None
    return "\n".join([*lines, "", "```sh", of.epilog.removeprefix("example: "), "```"])


def _cells(action: argparse.Action, of: argparse.ArgumentParser) -> tuple[str, str, str]:
    return f"`{_option(action)}`", _default(action), _meaning(action, of)


def _arguments(of: argparse.ArgumentParser) -> str:
    """What must be given, and [options] for what may be."""
    words = [
        f"[{action.metavar}]" if action.nargs == "?" else str(action.metavar)
        for action in of._actions
        if not action.option_strings
    ]
    words += [_option(action) for action in of._actions if action.option_strings and action.required]
    words += [
        f"({' | '.join(map(_option, group._group_actions))})"
        for group in of._mutually_exclusive_groups
        if group.required
    ]
    return " ".join([*words, "[options]"])


def _option(action: argparse.Action) -> str:
    if action.nargs == 0:
        return action.option_strings[-1]
    return f"{action.option_strings[-1]} {action.metavar or _KINDS.get(action.type, 'NAME')}"


def _default(action: argparse.Action) -> str:
    plain: Any = action.default
    if told := _TOLD.search(action.help or ""):
        return told.group(1).replace("%%", "%")
    return "" if plain is None or plain is False or plain in ((), [], "") or action.const else f"`{plain}`"


def _meaning(action: argparse.Action, of: argparse.ArgumentParser) -> str:
    assert action.help is not None, f"{_option(action)} says nothing"
    said = [_TOLD.sub("", action.help).replace("%%", "%")]
    if action.choices:
        said.append("one of " + ", ".join(f"`{choice}`" for choice in action.choices))
    said += [
        "not with "
        + ", ".join(f"`{other.option_strings[-1]}`" for other in group._group_actions if other is not action)
        for group in of._mutually_exclusive_groups
        if action in group._group_actions
    ]
    return "; ".join(said)
