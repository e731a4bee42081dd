"""The one way to a measurement that is kept: the store is asked first, and told before anybody else is.

It is put around any evaluator of a game: what spreads masks over many machines can be what it asks.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from core.coalitions.masks import Masks, decode, encode
from core.evaluate.evaluator import CoalitionEvaluator, Evaluator, Wanted, always
from core.evaluate.packing import PackedLinears
from core.model.model import LoadedModel
from core.records.events import Event, Progress, Stage
from core.records.spec import Losses, TextProtocol
from core.records.storage import Evaluation, Store
from core.text.windows import fingerprint

# Of the time since what was measured was stored last, storing it takes a part of so many at most: a process that is
# killed has measured as little as that in vain.
_PARTS = 10
_COMPARING = "Comparing the predictions with the whole model's"

# Makes evaluators of some of a text's sequences, as `cached` does.
Evaluators = Callable[..., CoalitionEvaluator]
Rows = list[tuple[int, Losses]]  # of some masks, with what was measured of each


class Ledger:
    """What is known of one game: read from the store, and written there first; shared by all who measure the game."""

    def __init__(self, store: Store, game: str, *, alone: bool = False) -> None:
        """Opens the ledger of a game.

        Args:
            store: keeps it.
            game: the key.
            alone: nobody else adds to this game meanwhile, so that the store is asked once, for everything.
        """
        self._store, self._game, self._alone = store, game, alone
        self._known = store.measured(game) if alone else {}

    def look_up(self, masks: Masks) -> dict[int, Losses]:
        """The losses (sequences,) that are known by now of masks (masks, players), by row."""
        names = [encode(mask) for mask in masks]
        if not self._alone:
            found = self._store.known(self._game, masks)
            for row, name in enumerate(names):
                self._known.pop(name, None)  # the file may have been deleted under us
                if row in found:
                    self._known[name] = found[row]
        return {row: self._known[name].losses for row, name in enumerate(names) if name in self._known}

    def losses(self, mask: str) -> Losses | None:
        """The losses (sequences,) of one mask, if they are known."""
        return self._known[mask].losses if mask in self._known else None

    def with_divergences(self, mask: str) -> Losses | None:
        """Losses and divergences of one mask, (2, sequences), if both are known."""
        found = self._known.get(mask)
        return np.stack([found.losses, found.divergences]) if found and found.divergences is not None else None

    def keep(self, fresh: Sequence[Evaluation]) -> None:
        """Stores evaluations in one transaction; what was known of a mask before stays."""
        if not fresh:
            return
        self._store.record(self._game, fresh)
        for item in fresh:
            before = self._known.get(item.mask, item)
            divergences = item.divergences if before.divergences is None else before.divergences
            self._known[item.mask] = before._replace(divergences=divergences)


class Cached:
    """An evaluator of a ledger's game: all that it yields is stored."""

    def __init__(self, ledger: Ledger, evaluator: CoalitionEvaluator) -> None:
        self.ledger = ledger
        self._evaluator = evaluator

    @property
    def heads(self) -> float:
        """The heads that a divergence takes."""
        return self._evaluator.heads

    @property
    def sequences(self) -> int:
        """How many there are."""
        return self._evaluator.sequences

    def losses(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]:
        """As of an Evaluator; what is known comes first."""
        for rows in self.batches(masks, wanted):
            yield from rows

    def with_divergences(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]:
        """As of an Evaluator; what is known comes first."""
        for rows in self._batches(masks, wanted, self.ledger.with_divergences, self._evaluator.with_divergences):
            yield from rows

    def batches(self, masks: Masks, wanted: Wanted = always) -> Iterator[Rows]:
        """As `losses`, transaction by transaction."""
        return self._batches(masks, wanted, self.ledger.losses, self._evaluator.losses)

    def stream(self, mask: NDArray[np.bool_]) -> Iterator[Losses]:
        """Measures one mask (players,): the losses of the first sequences, of more, and when all are stored, of all."""
        losses = np.zeros(0, dtype=np.float32)
        for part in self._evaluator.stream(mask):
            losses = np.concatenate([losses, part])
            if len(losses) == self._evaluator.sequences:
                self.ledger.keep([Evaluation(encode(mask), losses)])
            yield losses

    def _batches(
        self,
        masks: Masks,
        wanted: Wanted,
        known: Callable[[str], Losses | None],
        measure: Callable[[Masks, Wanted], Iterator[tuple[int, Losses]]],
    ) -> Iterator[Rows]:
        def still_wanted(index: int) -> bool:
            # Somebody who could not wait may have had it measured meanwhile.
            return known(names[missing[index]]) is None and wanted(missing[index])

        self.ledger.look_up(masks)
        names = [encode(mask) for mask in masks]
        found = [(row, losses) for row, name in enumerate(names) if (losses := known(name)) is not None]
        if found:
            yield found
        missing = sorted({*range(len(names))} - {row for row, _ in found})
        lacking = set(missing)
        fresh: Rows = []
        kept_at, took = time.monotonic(), 0.0
        try:
            for index, losses in measure(masks[missing], still_wanted):
                fresh.append((missing[index], losses))
                lacking.discard(missing[index])
                if time.monotonic() - kept_at > _PARTS * took:
                    begun = time.monotonic()
                    rows = self._kept(names, fresh)
                    kept_at = time.monotonic()
                    took = kept_at - begun
                    yield rows
        finally:
            last = self._kept(names, fresh)
        last += [(row, losses) for row in sorted(lacking) if (losses := known(names[row])) is not None]
        if last:
            yield last

    def _kept(self, names: list[str], fresh: Rows) -> Rows:
        """Stores what is fresh, which then may be told."""
        rows, fresh[:] = fresh.copy(), []
        self.ledger.keep([Evaluation(names[row], *np.atleast_2d(found)) for row, found in rows])
        return rows


def cached(
    store: Store, protocol: TextProtocol, loaded: LoadedModel, ids: torch.Tensor, packed: PackedLinears, *, states: int
) -> Cached:
    """An evaluator of some of a text's sequences, which are a game of their own in the store.

    Args:
        store: is asked once, so that a search that was killed goes on where it was.
        protocol: of all of the text's sequences.
        loaded, ids, packed, states: as of an Evaluator.
    """
    game = store.open_game(loaded.info, replace(protocol, sequences=len(ids), tokens=fingerprint(ids)))
    return Cached(Ledger(store, game, alone=True), Evaluator(loaded, ids, packed, states=states))


def divergence_of(evaluator: Cached, mask: NDArray[np.bool_]) -> Generator[Event, None, float]:
    """The mean over a text of the KL of one coalition (players,) from the whole model's predictions, nats a token."""
    evaluator.ledger.look_up(mask[None])
    if evaluator.ledger.with_divergences(encode(mask)) is None:
        yield Stage(_COMPARING)
    [(_, (_, found))] = evaluator.with_divergences(mask[None])
    return float(found.mean(dtype=np.float64))


def all_losses(evaluator: Cached, masks: Masks) -> Generator[Event, None, NDArray[np.float32]]:
    """Measures coalitions (masks, players) where they are not known: their losses, (masks, sequences)."""
    before = len(evaluator.ledger.look_up(masks))
    begun = time.monotonic()
    found: dict[int, Losses] = {}
    for rows in evaluator.batches(masks):
        found.update(rows)
        fresh = len(found) - before
        rate = fresh / max(time.monotonic() - begun, 1e-9)
        left = (len(masks) - len(found)) / rate if fresh > 0 else math.nan
        yield Progress(len(found), len(masks), before, rate, left)
    return np.stack([found[row] for row in range(len(masks))])


def all_divergences(store: Store, game: str, evaluator: Cached) -> Generator[Event, None, None]:
    """Measures the KL of every coalition of a game whose losses are known, where it is not."""
    yield Stage(_COMPARING)
    known = store.measured(game)
    masks = np.array([decode(mask) for mask in known])
    before = sum(item.divergences is not None for item in known.values())
    begun = time.monotonic()
    for done, _ in enumerate(evaluator.with_divergences(masks), 1):
        fresh = done - before
        rate = fresh / (time.monotonic() - begun)
        yield Progress(done, len(masks), before, rate, (len(masks) - done) / rate if fresh > 0 else math.nan)
