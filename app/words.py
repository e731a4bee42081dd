"""Players by name, wherever a page shows one: "3" is a block, "3a" and "3m" are its halves, "8-11" is a group."""

from collections.abc import Iterable, Sequence

from core.coalitions.masks import removed
from core.coalitions.players import are_halves, mask_without, names

Players = Sequence[str]


def named(players: Players, chosen: Iterable[int], between: str = ", ") -> str:
    """The names of some players, in the order in which they are given."""
    return between.join(players[index] for index in chosen)


def labels(players: Players) -> list[int | str]:
    """The names as a column of a table: numbers where all are, so that a reader who sorts by them gets their order."""
    return names(players, range(len(players)))


def numbers(players: Players, text: str) -> tuple[int, ...]:
    """The players whose names were written with commas between, in the order of the model; the inverse of `named`.

    Raises:
        SelectionError: no such player, one named twice, or all of them.
    """
    return removed(mask_without(players, [name for part in text.split(",") if (name := part.strip())]))


def legend(players: Players) -> str:
    """What a player is, where it is not a layer; empty where it is."""
    if are_halves(players):
        return (
            f"The players of this run are {len(players)} halves of layers: 3a is the attention (or another mixer) of "
            "layer 3, and 3m its MLP. Where a page says layer, it means such a half."
        )
    if any("-" in name for name in players):
        return (
            f"The players of this run are {len(players)} groups of layers: 8-11 are the layers 8 to 11, which stay or "
            "go together. Where a page says layer, it means such a group."
        )
    return ""
