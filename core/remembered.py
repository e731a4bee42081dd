"""An evaluator that asks the store first, and keeps there what it measures: a search can be killed, and goes on."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from core.evaluation import Evaluator
from core.masks import Masks, encode
from core.model import LoadedModel
from core.packing import PackedLinears
from core.storage import Store
from core.types import Losses, Protocol


class Remembered(Evaluator):
    """Sequences that are a game of their own in the store."""

    def __init__(
        self,
        store: Store,
        protocol: Protocol,
        loaded: LoadedModel,
        ids: torch.Tensor,
        packed: PackedLinears,
        *,
        states: int,
    ) -> None:
        """Prepares some of the sequences of a text.

        Args:
            store: remembers.
            protocol: of all of the text's sequences.
            loaded, ids, packed, states: as of an Evaluator.
        """
        super().__init__(loaded, ids, packed, states=states)
        tokens = hashlib.sha256(ids.numpy().tobytes()).hexdigest()[:16]
        self._store = store
        self._game = store.open_game(loaded.info, replace(protocol, sequences=len(ids), tokens=tokens))
        self._known = store.measured(self._game)

    def losses(self, masks: Masks, wanted: Callable[[int], bool] = lambda _: True) -> Iterator[tuple[int, Losses]]:
        """As of an Evaluator; what is known comes first."""
        missing = []
        for row, mask in enumerate(masks):
            if encode(mask) in self._known:
                yield row, self._known[encode(mask)]
            else:
                missing.append(row)
        fresh = {}
        try:
            for index, losses in super().losses(masks[missing], lambda index: wanted(missing[index])):
                fresh[encode(masks[missing[index]])] = losses
                yield missing[index], losses
        finally:
            self._known |= fresh
            if fresh:
                self._store.record(self._game, list(fresh.items()))

    def divergences(self, mask: NDArray[np.bool_]) -> Iterator[Losses]:
        """As of an Evaluator, all at once."""
        found = self._store.divergences(self._game, encode(mask))
        if found is None:
            found = np.concatenate(list(super().divergences(mask)))
            self._store.record_divergences(self._game, encode(mask), found)
        yield found
