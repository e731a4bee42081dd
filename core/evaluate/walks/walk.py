"""Coalitions as a trie: the hidden state after a prefix of layers depends only on what of those was kept.

Coalitions are taken in lexicographic order, so that those that share a prefix, and so a state, stand side by side. A
state waits before each layer that some of them keep; those that drop the layer take it further as it is. Of what waits,
the deepest layer goes first at which a whole batch is together; where none is, the shallowest, so that what comes of it
joins the others. So results come all the time, however many coalitions there are.

With batches of one this is the depth-first walk. With batches of `together` fewer than twice as many states wait at any
layer: a batch begins only where nothing deeper is whole, and brings a deeper layer as many as it has itself at most.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple
from typing import Protocol as Interface

import numpy as np
import torch
from numpy.typing import NDArray

from core.evaluate.walks.sequences import joined
from core.model.masked import halved
from core.model.model import LoadedModel

_BOTH = 3  # halves of a block; 2 is its mixer alone, 1 its MLP, 0 none

Place = tuple[int, int]  # a layer, and minus what of it is kept: in order, the last is to go first
Trail = list[tuple[int, torch.Tensor]]  # what is kept of each layer, and the state after it


class Waiting(NamedTuple):
    """Coalitions low to high (exclusive), in their order, which share a hidden state."""

    low: int
    high: int
    state: torch.Tensor


class Entered(Interface):
    """Text whose hidden states go through a model's blocks (`walks.sequences`)."""

    loaded: LoadedModel
    start: torch.Tensor  # what enters the first block

    def block(self, index: int, states: list[torch.Tensor]) -> list[torch.Tensor]: ...


class Walk:
    """Takes coalitions through the blocks; the states along the last one stay, for the next call to begin from."""

    def __init__(self, sequences: Entered) -> None:
        self._sequences = sequences
        self._loaded = sequences.loaded
        self._layers = len(self._loaded.blocks)
        self._trail: Trail = []

    def held(self) -> list[torch.Tensor]:
        """The states that stay between two calls."""
        return [self._sequences.start, *(state for _, state in self._trail)]

    def finals(
        self, kept: NDArray[np.bool_], wanted: Callable[[int], bool], together: int, heads: int
    ) -> Iterator[tuple[list[list[int]], torch.Tensor]]:
        """Yields rows of `kept` that come to one state, for up to `heads` last states, and these, one behind the other.

        Args:
            kept: halves of blocks, (coalitions, layers, 2).
            wanted: asked for a row before what it needs is computed; one that is not wanted any more is left out.
            together: states that go through a block at a time, at most.
            heads: last states that are handed out at a time, `together` at most.
        """
        codes = kept @ np.array([2, 1])
        order = [int(row) for row in np.lexsort(codes.T[::-1])]
        trie = _Trie(codes[order], self._layers)
        old, self._trail = self._trail, []
        self._spread(trie, Waiting(0, len(order), self._sequences.start), 0, old)
        del old
        while trie.waiting:
            place = trie.next(together, heads)
            depth = place[0]
            nodes = trie.take(place, heads if depth == self._layers else together)
            if depth == self._layers:
                rows = [[row for row in order[node.low : node.high] if wanted(row)] for node in nodes]
                ends = [(own, node.state) for own, node in zip(rows, nodes, strict=True) if own]
                if ends:
                    states = [state for _, state in ends]
                    yield [own for own, _ in ends], joined(states)
                continue
            nodes = [node for node in nodes if any(map(wanted, order[node.low : node.high]))]
            if nodes:
                for node, state in zip(nodes, self._compute(place, nodes), strict=True):
                    self._note(trie, node, -place[1], state)
                    self._spread(trie, node._replace(state=state), depth + 1, None)

    def _compute(self, place: Place, nodes: list[Waiting]) -> list[torch.Tensor]:
        depth, code = place[0], -place[1]
        every = np.ones((self._layers, 2), dtype=np.bool_)
        every[depth] = code & 2, code & 1
        with halved(self._loaded, every):
            return self._sequences.block(depth, [node.state for node in nodes])

    def _spread(self, trie: "_Trie", node: Waiting, begin: int, old: Trail | None) -> None:
        """Lets coalitions that share a state before a layer wait where each needs it next.

        What the trail of the last call leads to is there already: `old`, where it leads here.
        """
        low, high, state = node
        for depth in range(begin, self._layers):
            cuts = [bisect_left(trie.columns[depth], code, low, high) for code in range(_BOTH + 2)]
            known = old[depth] if old is not None and depth < len(old) else None
            for code in range(1, _BOTH + 1):
                branch = Waiting(cuts[code], cuts[code + 1], state)
                if branch.low == branch.high:
                    continue
                if known is not None and known[0] == code:
                    self._note(trie, branch, code, known[1])
                    self._spread(trie, branch._replace(state=known[1]), depth + 1, old)
                else:
                    trie.waiting[depth, -code].append(branch)
            high = cuts[1]
            if low == high:
                return
            state = self._loaded.blocks.skip(depth, state)
            self._note(trie, Waiting(low, high, state), 0, state)
            if known is None or known[0] != 0:
                old = None
        trie.waiting[self._layers, 0].append(Waiting(low, high, state))

    def _note(self, trie: "_Trie", node: Waiting, code: int, state: torch.Tensor) -> None:
        """Keeps what the last coalition leaves behind."""
        if node.high == trie.coalitions:
            self._trail.append((code, state))


class _Trie:
    """What of each layer coalitions keep (coalitions, layers), in order; and who waits where."""

    def __init__(self, codes: NDArray[np.int64], layers: int) -> None:
        self.coalitions = len(codes)
        self.columns: list[list[int]] = [codes[:, layer].tolist() for layer in range(layers)]
        self.waiting: defaultdict[Place, list[Waiting]] = defaultdict(list)

    def next(self, together: int, heads: int) -> Place:
        """Where the next batch is."""
        last = len(self.columns)
        full = [
            place for place, nodes in self.waiting.items() if len(nodes) >= (heads if place[0] == last else together)
        ]
        return max(full) if full else min(self.waiting)

    def take(self, place: Place, most: int) -> list[Waiting]:
        """Who waited there, `most` at most."""
        nodes = self.waiting[place]
        taken = nodes[-most:]
        del nodes[-most:]
        if not nodes:
            del self.waiting[place]
        return taken


def queues(kept: NDArray[np.bool_]) -> int:
    """Before how many blocks, or parts of them, states of coalitions (coalitions, layers, 2) may wait."""
    codes = kept @ np.array([2, 1])
    return sum(len(np.unique(column[column > 0])) for column in codes.T)
