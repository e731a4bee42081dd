"""Coalitions -> the loss of every sequence, each shared prefix of layers computed once.

The hidden state after a prefix of layers depends only on what of those was kept, so a set of masks is a trie
(`walks.walk`). The hidden states along the last mask are kept: the next call starts where it leaves that one. A loss
does not depend on which masks came before, nor on their order: on a CPU to the last bit, and where several states go
through a block at a time (`walks.together`) to rounding, since a device sums in an order that follows from the shape.
"""

from collections.abc import Callable, Iterator
from typing import Protocol as Interface

import numpy as np
import torch
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.evaluate.limits import ACCELERATOR, CPU, at_once, states_on
from core.evaluate.packing import PackedLinears
from core.evaluate.reference import sequence_losses
from core.evaluate.walks.arrivals import Arrivals
from core.evaluate.walks.batch import Batch, Found
from core.evaluate.walks.proof import hidden_state_is_all
from core.model.model import LoadedModel
from core.records.spec import Losses

# Elements that the whole model's log probabilities may take, kept for divergences: 512 MiB in fp32.
_REFERENCE = 2**27


Wanted = Callable[[int], bool]  # asked for a row of masks before it is evaluated


def always(_: int) -> bool:
    """Every row is wanted."""
    return True


class CoalitionEvaluator(Interface):
    """What measures coalitions on one set of sequences: a model here, or whatever passes masks on to one."""

    @property
    def heads(self) -> float: ...

    @property
    def sequences(self) -> int: ...

    def stream(self, mask: NDArray[np.bool_]) -> Iterator[Losses]: ...

    def losses(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]: ...

    def with_divergences(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]: ...


class Evaluator:
    """Evaluates coalitions on one set of sequences. The model is left as found after every call."""

    def __init__(
        self,
        loaded: LoadedModel,
        ids: torch.Tensor,
        packed: PackedLinears | None = None,
        *,
        states: int | None = None,
        growing: bool = False,
        together: int | None = None,
    ) -> None:
        """Prepares the sequences.

        Args:
            loaded: the model.
            ids: token ids (sequences, length); the first token of each is not predicted.
            packed: the model's, if there are any already.
            states: bytes that hidden states may take, those of `limits` if none are given; 0 shares no prefixes.
            growing: batches of 1, 2, 4, … sequences, so that `stream` gives its first number soon.
            together: hidden states that go through a block at a time, at most; found by a trial if none are given.

        Where blocks exchange more than the hidden state, or something happens between them, no prefixes are shared.
        """
        self.sequences = len(ids)
        self._packed = PackedLinears(loaded.model) if packed is None else packed
        config = loaded.model.config.get_text_config()
        tokens, _ = CPU if loaded.info.device == "cpu" else ACCELERATOR
        length = ids.shape[1]
        states = states_on(loaded.info.device) if states is None else states
        logits = at_once(loaded.info.device, length, config.vocab_size)
        if states and not (hidden_state_is_all(loaded) and self._packing_holds(loaded, ids[:1])):
            states = 0
        a_sequence = (len(loaded.blocks) + 1) * length * loaded.blocks.width * loaded.model.dtype.itemsize
        self._room, self._together = states, together
        self._batches: list[Batch] = []
        begin = 0
        for size in _sizes(len(ids), max(1, tokens // length), growing):
            part = ids[begin : begin + size].to(loaded.info.device)
            begin += size
            # Who measures one mask after the other keeps them; who waits for a single one would not use them again.
            reference = not growing and begin * length * config.vocab_size <= _REFERENCE
            self._batches.append(
                Batch(loaded, part, logits, keep=begin * a_sequence <= states, keep_reference=reference)
            )

    @property
    def heads(self) -> float:
        """The heads that a divergence takes: the mask's, and where it is not kept, the whole model's."""
        return 2 - sum(batch.keeps_reference for batch in self._batches) / max(1, len(self._batches))

    def losses(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]:
        """Yields (row of `masks`, losses (sequences,)) as they come.

        A loss is the mean negative log-likelihood in nats a token; NaN and infinity where the model gives them.

        Args:
            masks: (masks, players), True where a player is kept.
            wanted: asked for a row before it is evaluated; one that is not wanted any more is left out.
        """
        for row, found in self._measure(masks, wanted, divergences=False):
            yield row, found[0]

    def stream(self, mask: NDArray[np.bool_]) -> Iterator[Losses]:
        """The losses of one mask (players,), batch by batch."""
        for batch in self._batches:
            with torch.inference_mode(), self._packed.in_use():
                losses = batch.losses(mask)
            yield losses.cpu().numpy()

    def with_divergences(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]:
        """As `losses`, and with each the KL(whole model || mask) of the sequences: (2, sequences), nats a token.

        One forward gives both. The whole model's predictions are kept where they are small, or else computed for each.
        """
        return self._measure(masks, wanted, divergences=True)

    def _measure(self, masks: Masks, wanted: Wanted, *, divergences: bool) -> Iterator[tuple[int, Losses]]:
        """Yields each row with its figures (1 or 2, sequences); the device works on meanwhile."""
        arrivals = Arrivals()
        if len(self._batches) == 1:
            steps = self._walked(self._batches[0], masks, wanted, divergences)
        else:
            steps = self._one_by_one(masks, wanted, divergences)
        while True:
            # The model is as it was whenever somebody else has a turn.
            with torch.inference_mode(), self._packed.in_use():
                step = next(steps, None)
            if step is None:
                break
            arrivals.send(*step)
            yield from arrivals.arrived()
        yield from arrivals.arrived(last=True)

    def _walked(self, batch: Batch, masks: Masks, wanted: Wanted, divergences: bool) -> Iterator[Found]:
        """All masks in one walk."""
        together = batch.together(masks, self._room) if self._together is None else self._together
        yield from batch.measure(masks, wanted, divergences=divergences, together=together)

    def _one_by_one(self, masks: Masks, wanted: Wanted, divergences: bool) -> Iterator[Found]:
        """Mask by mask through more sequences than go through a block together: each fills the device."""
        for row in np.lexsort(masks.T[::-1]):
            if wanted(int(row)):
                found = [batch.one(masks[row], divergences=divergences) for batch in self._batches]
                yield [[int(row)]], torch.cat(found, dim=1)[None]

    def _packing_holds(self, loaded: LoadedModel, ids: torch.Tensor) -> bool:
        """Whether a coalition has the loss of the model's own forward with packed weights, too, to their rounding."""
        places = np.arange(len(loaded.info.players))
        mask = (places % 4 < 2) & (places % 8 > 0)
        here = ids.to(loaded.info.device)
        own = sequence_losses(loaded, ids, mask)
        with torch.inference_mode(), self._packed.in_use():
            ours = Batch(loaded, here, 1, keep=True).losses(mask).cpu().numpy()
        tolerance = 1e-3 if loaded.info.dtype == "float32" else 3e-2
        return bool(np.allclose(ours, own, rtol=tolerance, equal_nan=True))


def _sizes(sequences: int, most: int, growing: bool) -> Iterator[int]:
    """How many sequences go into each batch."""
    size = 1 if growing else most
    while sequences > 0:
        yield min(size, most, sequences)
        sequences -= min(size, most)
        size *= 2
