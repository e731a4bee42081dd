"""Coalitions measured on the first few sequences of a text and, where it is worth it, on more; and what that cost.

Two costs are kept, both in block-token evaluations: one block computed for one token. The head, which turns the last
hidden state into predictions, counts as many blocks as it has the parameters of. `spent` is what was computed, with
shared prefixes computed once; `plain` is what forwards that share nothing would have computed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.evaluation import STATES, Evaluator
from core.masks import Masks
from core.measurements import Floats
from core.model import LoadedModel
from core.packing import PackedLinears
from core.types import Losses


class Meter:
    """Measures coalitions on sequences `ids` (sequences, length), cut at `stages`: numbers of sequences, ascending."""

    def __init__(
        self,
        loaded: LoadedModel,
        ids: torch.Tensor,
        stages: Sequence[int],
        packed: PackedLinears | None = None,
        evaluator: Callable[..., Evaluator] = Evaluator,
    ) -> None:
        """Prepares the sequences.

        Args:
            loaded: the model; left as found after every call.
            ids: token ids.
            stages: the last one is the number of sequences.
            packed: the model's, if there are any already.
            evaluator: makes the evaluators of the parts between stages.
        """
        packed = packed or PackedLinears(loaded.model)
        self.layers = len(loaded.blocks)
        self.stages = tuple(stages)
        self._head, self._length = _head(loaded), ids.shape[1]
        self.spent = self.plain = 0.0
        self.coalitions = self.tokens = 0
        self._known: dict[tuple[bool, bytes], Floats] = {}
        self._parts: dict[tuple[int, int], _Part] = {}
        for begin, end in pairwise((0, *stages)):
            states = STATES * (end - begin) // stages[-1]
            part = evaluator(loaded, ids[begin:end], packed, states=states)
            self._parts[begin, end] = _Part(part, np.zeros(self.layers, dtype=np.bool_), ids[begin:end].numel())

    @property
    def whole(self) -> NDArray[np.bool_]:
        """The mask that keeps every layer."""
        return np.ones(self.layers, dtype=np.bool_)

    def cost(self, mask: NDArray[np.bool_], sequences: int) -> float:
        """What a plain forward of `sequences` would cost."""
        return (float(mask.sum()) + self._head) * sequences * self._length

    def unit(self, sequences: int) -> float:
        """What SLEB takes to remove two fifths of the layers on that many sequences, by plain forwards.

        Greedy removal evaluates every layer but the first and the last that is still there, once for each layer that
        goes: of 30 layers, 270 evaluations for 12 removed. It is the unit in which the budget of a search is given.
        """
        gone = np.arange(max(1, 2 * self.layers // 5))
        tried = (self.layers - 2 - gone) * (self.layers - 1 - gone + self._head)
        return float(tried.sum() * sequences * self._length)

    def learn(self, masks: Masks, losses: Sequence[Losses]) -> None:
        """Takes in what was measured before: of each mask, the losses of its first sequences. They cost nothing."""
        for mask, found in zip(masks, losses, strict=True):
            self._known[False, mask.tobytes()] = np.asarray(found, dtype=np.float64)

    def depth(self, mask: NDArray[np.bool_]) -> int:
        """On how many sequences the loss of a mask is known."""
        return len(self._known.get((False, mask.tobytes()), ()))

    def known(self, mask: NDArray[np.bool_]) -> Floats:
        """The losses of a mask's first sequences, as many as were measured."""
        return self._known[False, mask.tobytes()]

    def losses(self, masks: Masks, sequences: int) -> Floats:
        """The mean NLL of the first `sequences` (one of the stages) of each mask, (masks, sequences), nats a token."""
        return self._measure(masks, sequences, divergence=False)

    def divergences(self, masks: Masks, sequences: int) -> Floats:
        """KL(whole model || mask) of the first `sequences` of each mask, (masks, sequences), nats a token."""
        return self._measure(masks, sequences, divergence=True)

    def charge(self, cost: float, tokens: int) -> None:
        """Counts what was computed elsewhere: block-token evaluations, and tokens that went in."""
        self.spent += cost
        self.plain += cost
        self.tokens += tokens

    def _measure(self, masks: Masks, sequences: int, *, divergence: bool) -> Floats:
        masks = np.asarray(masks, dtype=np.bool_)
        for (begin, end), part in self._parts.items():
            if end > sequences:
                break
            missing = {
                mask.tobytes(): row
                for row, mask in enumerate(masks)
                if len(self._known.get((divergence, mask.tobytes()), ())) <= begin
            }
            rows = np.array(sorted(missing.values()), dtype=np.int64)
            for row, found in self._evaluate(part, masks[rows], divergence=divergence):
                key = divergence, masks[rows[row]].tobytes()
                self._known[key] = np.append(self._known.get(key, np.zeros(0)), found)
            self.coalitions += len(missing) * (begin == 0)
        return np.array([self._known[divergence, mask.tobytes()][:sequences] for mask in masks])

    def _evaluate(self, part: "_Part", masks: Masks, *, divergence: bool) -> Iterator[tuple[int, Floats]]:
        """Measures masks, and charges them in the order in which they share prefixes."""
        for mask in masks[np.lexsort(masks.T[::-1])]:
            shared = int(np.argmin(np.append(part.last == mask, False)))
            self.spent += (mask[shared:].sum() + self._head) * part.tokens
            self.plain += (mask.sum() + self._head) * part.tokens
            self.tokens += part.tokens
            part.last = mask
        measure = part.evaluator.divergences if divergence else part.evaluator.losses
        for row, found in measure(masks):
            yield row, found.astype(np.float64)


@dataclass
class _Part:
    """Some of the sequences, and the mask whose hidden states are at hand for them."""

    evaluator: Evaluator
    last: NDArray[np.bool_]
    tokens: int


def _head(loaded: LoadedModel) -> float:
    output: nn.Module | None = loaded.model.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers
    blocks = sum(weight.numel() for block in loaded.blocks.modules for weight in block.parameters())
    return (
        0.0 if output is None else sum(weight.numel() for weight in output.parameters()) * len(loaded.blocks) / blocks
    )
