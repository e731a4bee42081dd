"""An evaluator that asks the store first, and keeps there what it measures: a search can be killed, and goes on."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from core.evaluation import Evaluator
from core.masks import Masks, encode
from core.model import LoadedModel
from core.packing import PackedLinears
from core.storage import Store
from core.types import Losses, Protocol

Measure = Callable[[Masks], Iterator[tuple[int, Losses]]]
Record = Callable[[str, Sequence[tuple[str, Losses]]], None]


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
        self._losses, self._divergences = store.measured(self._game), store.divergences(self._game)

    def losses(self, masks: Masks, wanted: Callable[[int], bool] = lambda _: True) -> Iterator[tuple[int, Losses]]:
        """As of an Evaluator; what is known comes first, and every row counts as wanted."""
        return self._remembering(masks, self._losses, super().losses, self._store.record)

    def divergences(self, masks: Masks) -> Iterator[tuple[int, Losses]]:
        """As of an Evaluator; what is known comes first."""
        return self._remembering(masks, self._divergences, super().divergences, self._store.record_divergences)

    def _remembering(
        self, masks: Masks, known: dict[str, Losses], measure: Measure, record: Record
    ) -> Iterator[tuple[int, Losses]]:
        names = [encode(mask) for mask in masks]
        missing = [row for row, name in enumerate(names) if name not in known]
        yield from ((row, known[name]) for row, name in enumerate(names) if name in known)
        fresh = {}
        try:
            for index, found in measure(masks[missing]):
                fresh[names[missing[index]]] = found
                yield missing[index], found
        finally:
            if fresh:
                record(self._game, list(fresh.items()))
                known |= fresh
