"""Pairs of players on the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from core.records.values import PairInteractions


def pair_rows(found: PairInteractions, label: Sequence[int | str]) -> list[dict[str, Any]]:
    """For --json: the pairs, the strongest first, with players by their labels."""
    return [
        {**asdict(pair), "first": label[pair.first], "second": label[pair.second], "meaning": pair.meaning}
        for pair in found.pairs
    ]


def pair_line(pair: Mapping[str, Any]) -> str:
    """One of these rows for people."""
    numbers = " ".join(f"{pair[name]:9.4f}" for name in ("value", "low", "high"))
    return f"{pair['first']:>3} {pair['second']:>3} {numbers}  {pair['meaning']}"
