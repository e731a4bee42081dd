"""Who plays: whole blocks, their halves, or groups of them; by name, and what each switches off.

A block has two halves: "a" is its attention, or another mixer of tokens, and "m" is its MLP. The player "3" is both
halves of block 3, "3a" and "3m" are one each, and "8-11" is all of four blocks. A block in which nobody plays is
protected: it always stays. Masks are over players, in the order of the model.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import Masks, without
from core.errors import SelectionError

HALVES = "am"

# For each player, block and half, whether the player switches it off: (players, layers, 2).
Switches = NDArray[np.bool_]
_NAME = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?([am]?)", re.ASCII)
# Names of an error's hint: more are not read.
_NAMED = 12


def players_of(layers: int, kind: str, protect: Sequence[int] = ()) -> tuple[str, ...]:
    """The names of the players of a model.

    Args:
        layers: number of blocks.
        kind: block, sublayer, or group:N for N contiguous blocks as one player; a protected block ends a group.
        protect: blocks that always stay.

    Raises:
        SelectionError: there is no such kind or no such block, or nobody would play.
    """
    size = _size(kind, layers)
    unknown = sorted({block for block in protect if not 0 <= block < layers})
    if unknown:
        raise SelectionError(
            f"These layers cannot be protected: {', '.join(map(str, unknown))}.",
            f"The model has layers 0 to {layers - 1}.",
        )
    free = [block for block in range(layers) if block not in set(protect)]
    if not free:
        raise SelectionError(f"All {layers} layers are protected, so that nobody plays.", "Protect fewer layers.")
    if kind == "sublayer":
        return tuple(f"{block}{half}" for block in free for half in HALVES)
    runs = [[block for _, block in run] for _, run in groupby(enumerate(free), key=lambda item: item[1] - item[0])]
    groups = [run[first : first + size] for run in runs for first in range(0, len(run), size)]
    return tuple(str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}" for group in groups)


def _size(kind: str, layers: int) -> int:
    """How many blocks make a player."""
    if kind in ("block", "sublayer"):
        return 1
    name, _, number = kind.partition(":")
    if name != "group" or not re.fullmatch(r"\d{1,6}", number):
        raise SelectionError(
            f"There are no players {kind}.",
            "Use block, sublayer, or group:N for N contiguous layers as one player, such as group:4.",
        )
    if not 1 <= int(number) <= layers:
        raise SelectionError(
            f"Groups of {int(number)} layers cannot be made of {layers} layers.", f"Use group:1 to group:{layers}."
        )
    return int(number)


def parts(name: str) -> tuple[int, int, str]:
    """What a player of that name is: (first block, last block, halves), or ValueError if it is no name."""
    match = _NAME.fullmatch(name)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"{name!r} is no name of a player")
    return int(match[1]), int(match[2] or match[1]), match[3] or HALVES


def check(players: Sequence[str], layers: int) -> None:
    """Whether these could play in a model of so many blocks: ValueError that names who could not."""
    for name in players:
        if parts(name)[1] >= layers:
            raise ValueError(f"there is no player {name} in a model of {layers} layers")
    if len(set(players)) < len(players):
        raise ValueError("a player is named twice")


def spans(players: Sequence[str]) -> list[tuple[int, int]]:
    """The blocks in which each player plays: (first, one past the last)."""
    return [(first, last + 1) for first, last, _ in map(parts, players)]


def are_halves(players: Sequence[str]) -> bool:
    """Whether there are halves of blocks among the players."""
    return any(name[-1] in HALVES for name in players)


def switches(players: Sequence[str], layers: int) -> Switches:
    """What each player switches off, (players, layers, 2); read-only, since it is remembered."""
    return _switches(tuple(players), layers)


@lru_cache(maxsize=16)
def _switches(players: tuple[str, ...], layers: int) -> Switches:
    found = np.zeros((len(players), layers, len(HALVES)), dtype=np.bool_)
    for row, (first, last, halves) in enumerate(map(parts, players)):
        for half in halves:
            found[row, first : last + 1, HALVES.index(half)] = True
    found.setflags(write=False)
    return found


def kept(switched: Switches, masks: Masks) -> NDArray[np.bool_]:
    """Which halves stay under masks (..., players): (..., layers, 2)."""
    off = np.tensordot(~masks, switched, axes=1) > 0  # a product of truth values is the truth value of any
    return np.asarray(~off)


def computed(halves: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which blocks are computed, (..., layers), of halves that stay (..., layers, 2): also those that lost one."""
    return np.asarray(halves.any(axis=-1))


def indexes(players: Sequence[str], named: Sequence[int | str]) -> tuple[int, ...]:
    """Players by name as places in a mask, in the order of the model; a number is a place already.

    A name may also stand for several players that it is made of: "3" for "3a" and "3m", "8-15" for "8-11" and "12-15".

    Raises:
        SelectionError: nobody is called so, or somebody is named twice; it says who plays.
    """
    found: list[int] = []
    for name in named:
        found += [name] if isinstance(name, int) else _places(players, name)
    twice = sorted({place for place in found if found.count(place) > 1})
    if twice:
        raise SelectionError("A player is named twice.", _who(players))
    return tuple(sorted(found))


def mask_without(players: Sequence[str], removed: Sequence[int | str]) -> NDArray[np.bool_]:
    """The mask (players,) that drops players, by name or by their places; SelectionError if there is no such mask."""
    return without(len(players), indexes(players, removed))


def names(players: Sequence[str], places: Sequence[int]) -> list[int | str]:
    """Places in a mask as programs and people read them: numbers where all players are single blocks, else names."""
    plain = all(name.isdigit() for name in players)
    return [int(players[place]) if plain else players[place] for place in places]


def dropped(players: Sequence[str], layers: int, removed: Sequence[int]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The blocks that go with the removed players, and the halves that are switched off in blocks that stay."""
    off = np.asarray(switches(players, layers)[list(removed)].any(axis=0))
    blocks = tuple(int(block) for block in np.flatnonzero(off.all(axis=1)))
    halves = tuple(f"{block}{HALVES[half]}" for block, half in np.argwhere(off) if not off[block].all())
    return blocks, halves


def gone(players: Sequence[str], layers: int, removed: Sequence[int]) -> list[int]:
    """Those of the removed players whose blocks go with them: a half alone stays in the file, as zeros."""
    blocks = {*dropped(players, layers, removed)[0]}
    return [place for place in removed if parts(players[place])[0] in blocks]


def both_halves(players: Sequence[str]) -> dict[int, tuple[int, int]]:
    """For each block of which both halves play, their places."""
    where = {name: place for place, name in enumerate(players)}
    return {
        parts(name)[0]: (place, where[f"{name[:-1]}m"])
        for name, place in where.items()
        if name.endswith("a") and f"{name[:-1]}m" in where
    }


def _places(players: Sequence[str], name: str) -> list[int]:
    """The places of the players that a name stands for."""
    if name in players:
        return [players.index(name)]
    try:
        first, last, halves = parts(name.strip())
    except ValueError:
        first, last, halves = 0, -1, ""
    inside = [
        place
        for place, (begin, end, own) in enumerate(map(parts, players))
        if first <= begin and end <= last and {*own} <= {*halves}
    ]
    covered = sum((end - begin + 1) * len(own) for begin, end, own in (parts(players[place]) for place in inside))
    if not inside or covered != (last - first + 1) * len(halves):
        raise SelectionError(f"There is no player {name}.", _who(players))
    return inside


def _who(players: Sequence[str]) -> str:
    some = players if len(players) <= _NAMED else (*players[: _NAMED // 2], "…", *players[-_NAMED // 2 :])
    return f"Players: {', '.join(some)}. Name each once."
