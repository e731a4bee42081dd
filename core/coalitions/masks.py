"""Coalitions as masks: bool arrays (coalitions, players), True where a player is kept."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import SelectionError

Masks = NDArray[np.bool_]

# Players up to which every coalition can be measured.
MOST_PLAYERS = 14


def everything(players: int) -> Masks:
    """All coalitions, (2^n, n), from none to all."""
    return np.asarray(np.arange(2**players)[:, None] >> np.arange(players)[::-1] & 1, dtype=np.bool_)


def without(players: int, removed: Sequence[int]) -> NDArray[np.bool_]:
    """The mask (players,) that drops `removed`, or SelectionError: no such player, one named twice, or all of them."""
    unknown = sorted({player for player in removed if not 0 <= player < players})
    if unknown or len(set(removed)) != len(removed):
        named = ", ".join(map(str, unknown or removed))
        raise SelectionError(
            f"These layers cannot be removed: {named}. The model has layers 0 to {players - 1}.",
            f"Name each layer once, from 0 to {players - 1}.",
        )
    if len(removed) >= players:
        raise SelectionError(f"All {players} layers would be removed.", "Keep at least one layer.")
    mask = np.ones(players, dtype=np.bool_)
    mask[list(removed)] = False
    return mask


def check_fit(masks: Masks, players: Sequence[str]) -> None:
    """SelectionError for masks (masks, n) that are not over these players."""
    if masks.shape[1] != len(players):
        raise SelectionError(
            f"These masks are of {masks.shape[1]} players; there are {len(players)}.",
            f"Give an entry to each of {players[0]} to {players[-1]}, in the order of the model.",
        )


def removed(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """The places of the players that a mask (players,) drops; the inverse of `without`."""
    return tuple(int(player) for player in np.flatnonzero(~mask))


def layer_evaluations(masks: Masks) -> int:
    """Layers computed for masks (masks, n) if each shared prefix is computed once: the kept nodes of their trie."""
    return int(own_layers(masks).sum())


def own_layers(masks: Masks) -> NDArray[np.int64]:
    """Those of each, (masks,), without what it shares with the one before it in lexicographic order."""
    order = np.lexsort(masks.T[::-1])
    ordered = masks[order]
    differs = ordered[1:] != ordered[:-1]
    shared = np.where(differs.any(axis=1), differs.argmax(axis=1), masks.shape[1])  # with the mask before
    found = np.zeros(len(masks), dtype=np.int64)
    if len(masks):
        found[order] = (ordered & (np.arange(masks.shape[1]) >= np.append(0, shared)[:, None])).sum(axis=1)
    return found


def encode(mask: NDArray[np.bool_]) -> str:
    """A mask as text, '1' for a player who is kept: the form in which it is stored and shown."""
    return "".join("1" if kept else "0" for kept in mask)


def decode(text: str) -> NDArray[np.bool_]:
    """The mask (players,) that `encode` wrote."""
    return np.array([kept == "1" for kept in text], dtype=np.bool_)
