"""An evaluator that asks the store first, and keeps there what it measures: a search can be killed, and goes on."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

from core.coalitions.masks import Masks, encode
from core.evaluate.evaluator import Evaluator
from core.evaluate.packing import PackedLinears
from core.model.model import LoadedModel
from core.records.spec import Losses, Protocol
from core.records.storage import Store
from core.text.windows import fingerprint

_FLUSH_SECONDS = 1.0


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
        self._store = store
        self._game = store.open_game(loaded.info, replace(protocol, sequences=len(ids), tokens=fingerprint(ids)))
        self._losses, self._divergences = store.measured(self._game), store.divergences(self._game)

    @property
    def compared(self) -> int:
        """How many masks have a known divergence."""
        return len(self._divergences)

    def losses(self, masks: Masks, wanted: Callable[[int], bool] = lambda _: True) -> Iterator[tuple[int, Losses]]:
        """As of an Evaluator; what is known comes first, and every row counts as wanted."""
        known = [self._losses.get(encode(mask)) for mask in masks]
        return self._remembering(masks, known, super().losses)

    def with_divergences(self, masks: Masks) -> Iterator[tuple[int, Losses]]:
        """As of an Evaluator; what is known comes first."""
        names = [encode(mask) for mask in masks]
        known = [
            np.stack([self._losses[name], self._divergences[name]])
            if name in self._losses and name in self._divergences
            else None
            for name in names
        ]
        return self._remembering(masks, known, super().with_divergences)

    def _remembering(
        self, masks: Masks, known: list[Losses | None], measure: Callable[[Masks], Iterator[tuple[int, Losses]]]
    ) -> Iterator[tuple[int, Losses]]:
        yield from ((row, found) for row, found in enumerate(known) if found is not None)
        missing = [row for row, found in enumerate(known) if found is None]
        fresh: list[tuple[str, Losses]] = []
        kept_at = time.monotonic()
        try:
            for index, found in measure(masks[missing]):
                fresh.append((encode(masks[missing[index]]), found))
                yield missing[index], found
                if time.monotonic() - kept_at > _FLUSH_SECONDS:
                    self._keep(fresh)
                    kept_at = time.monotonic()
        finally:
            self._keep(fresh)

    def _keep(self, fresh: list[tuple[str, Losses]]) -> None:
        if not fresh:
            return
        losses = [(name, found[0] if found.ndim == 2 else found) for name, found in fresh]
        divergences = [(name, found[1]) for name, found in fresh if found.ndim == 2]
        self._store.record(self._game, losses)
        self._losses |= losses
        if divergences:
            self._store.record_divergences(self._game, divergences)
            self._divergences |= divergences
        fresh.clear()
