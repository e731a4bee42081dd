"""Coalitions measured on the first few sequences of a text and, where it is worth it, on more; and what that cost.

Two costs are kept, both in block-token evaluations: one block computed for one token. The head, which turns the last
hidden state into predictions, counts as many blocks as it has the parameters of. `spent` is what was computed, with
each prefix that is shared with the coalition before computed once; `plain` counts the kept blocks of every coalition
for itself, as forwards that share nothing would compute them. Methods compare by the same one of the two.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.checkpoint.quantisation import count_parameters
from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats
from core.coalitions.players import Switches, computed
from core.evaluate.evaluator import CoalitionEvaluator, Evaluator
from core.evaluate.limits import states_on
from core.evaluate.packing import PackedLinears
from core.evaluate.reference import check_finite
from core.model.model import LoadedModel
from core.pauses import Pause, nothing
from core.records.spec import Losses


class Meter:
    """Measures coalitions on sequences `ids` (sequences, length), cut at `stages`: numbers of sequences, ascending."""

    def __init__(
        self,
        loaded: LoadedModel,
        ids: torch.Tensor,
        stages: Sequence[int],
        packed: PackedLinears | None = None,
        evaluator: Callable[..., CoalitionEvaluator] = Evaluator,
        *,
        divergences: bool = False,
        between: Pause = nothing,
    ) -> None:
        """Prepares the sequences.

        Args:
            loaded: the model; left as found after every call.
            ids: token ids.
            stages: the last one is the number of sequences.
            packed: the model's, if there are any already.
            evaluator: makes the evaluators of the parts between stages.
            divergences: measure, in the same forwards, how far the predictions are from the whole model's.
            between: called after each coalition; what it raises ends the measuring, and nothing is lost.
        """
        packed = packed or PackedLinears(loaded.model)
        self.players = len(loaded.info.players)
        self._loaded, self._ids = loaded, ids
        self.stages = tuple(stages)
        self._head, self._length = head_of(loaded), ids.shape[1]
        self.spent = self.plain = 0.0
        self.coalitions = self.tokens = 0
        self._with = divergences
        self._between = between
        self._known: dict[bytes, Floats] = {}  # (1 or 2, sequences): losses, and divergences
        self._parts: dict[tuple[int, int], _Part] = {}
        for begin, end in pairwise((0, *stages)):
            states = states_on(loaded.info.device) * (end - begin) // stages[-1]
            part = evaluator(loaded, ids[begin:end], packed, states=states)
            self._parts[begin, end] = _Part(part, np.zeros((0, 2), dtype=np.bool_), ids[begin:end].numel())

    @property
    def whole(self) -> NDArray[np.bool_]:
        """The mask that keeps every player."""
        return np.ones(self.players, dtype=np.bool_)

    def cost(self, mask: NDArray[np.bool_], sequences: int) -> float:
        """What a plain forward of `sequences` would cost."""
        return (float(computed(self._loaded.kept(mask)).sum()) + self._head) * sequences * self._length

    def unit(self, sequences: int) -> float:
        """What SLEB takes to remove two fifths of the players on that many sequences, by plain forwards.

        Greedy removal evaluates every player but the first and the last that is still there, once for each one that
        goes: of 30 layers, 270 evaluations for 12 removed. It is the unit in which the budget of a search is given.
        All players count alike here, as an equal share of the blocks in which anybody plays.
        """
        return unit_of(self._loaded) * sequences * self._length

    @property
    def switches(self) -> Switches:
        """What each player switches off, (players, layers, 2)."""
        return self._loaded.switches

    def depth(self, mask: NDArray[np.bool_]) -> int:
        """On how many sequences a mask was measured."""
        return self._known[mask.tobytes()].shape[1] if mask.tobytes() in self._known else 0

    def losses(self, masks: Masks, sequences: int) -> Floats:
        """The mean NLL of the first `sequences` (one of the stages) of each mask, (masks, sequences), nats a token."""
        return self._measure(masks, sequences)[:, 0]

    def divergences(self, masks: Masks, sequences: int) -> Floats:
        """KL(whole model || mask) of the first `sequences` of each mask, (masks, sequences), nats a token."""
        return self._measure(masks, sequences)[:, 1]

    def charge(self, cost: float, tokens: int) -> None:
        """Counts what was computed elsewhere: block-token evaluations, and tokens that went in."""
        self.spent += cost
        self.plain += cost
        self.tokens += tokens

    def _measure(self, masks: Masks, sequences: int) -> Floats:
        """What is known of the first sequences of each mask, measured where it is not, (masks, 1 or 2, sequences)."""
        masks = np.asarray(masks, dtype=np.bool_)
        for (begin, end), part in self._parts.items():
            if end > sequences:
                break
            missing = {mask.tobytes(): row for row, mask in enumerate(masks) if self.depth(mask) <= begin}
            some = masks[sorted(missing.values())]
            for row, found in self._evaluate(part, some):
                known = self._known.get(some[row].tobytes(), np.zeros((1 + self._with, 0)))
                self._known[some[row].tobytes()] = np.concatenate([known, np.atleast_2d(found)], axis=1)
                if some[row].all():  # without the whole model's loss, nothing has a score
                    check_finite(self._loaded, self._ids[begin:end], some[row], np.atleast_2d(found)[0])
                self._between()
            self.coalitions += len(missing) * (begin == 0)
        return np.array([self._known[mask.tobytes()][:, :sequences] for mask in masks])

    def _evaluate(self, part: "_Part", masks: Masks) -> Iterator[tuple[int, Losses]]:
        """Measures masks, and charges them in the order in which they share prefixes."""
        head = self._head * (part.evaluator.heads if self._with else 1)
        for mask in masks[np.lexsort(masks.T[::-1])]:
            kept = self._loaded.kept(mask)
            blocks = computed(kept)  # one that has lost a half is computed all the same
            shared = int(np.argmin(np.append((part.last == kept[: len(part.last)]).all(axis=1), False)))
            self.spent += (blocks[shared:].sum() + head) * part.tokens
            self.plain += (blocks.sum() + head) * part.tokens
            self.tokens += part.tokens
            part.last = kept
        return part.evaluator.with_divergences(masks) if self._with else part.evaluator.losses(masks)


@dataclass
class _Part:
    """Some of the sequences, and the halves of blocks whose hidden states are at hand for them, (layers, 2)."""

    evaluator: CoalitionEvaluator
    last: NDArray[np.bool_]
    tokens: int


def unit_of(loaded: LoadedModel) -> float:
    """The unit of a search's budget (`Meter.unit`) on one token, in block evaluations."""
    players = len(loaded.info.players)
    gone = np.arange(max(1, 2 * players // 5))
    always = loaded.info.layers - int(loaded.switches.any(axis=(0, 2)).sum())
    share = (loaded.info.layers - always) / players
    tried = np.maximum(1, players - 2 - gone) * ((players - 1 - gone) * share + always + head_of(loaded))
    return float(tried.sum())


def head_of(loaded: LoadedModel) -> float:
    """What a head costs, in blocks of mean size."""
    model: Any = loaded.model  # transformers gives its methods no types
    output: nn.Module | None = model.get_output_embeddings()
    heads = count_parameters(output) if output is not None else 0
    return heads * len(loaded.blocks) / sum(loaded.layer_parameters)
