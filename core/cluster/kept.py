"""Coalitions that replicas measure, kept here: a block that comes back is stored in one transaction, and then told."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from core.cluster.replica import Text
from core.cluster.spread import Spread
from core.coalitions.masks import Masks, encode
from core.evaluate.cached import Cached, Evaluators, Ledger, Rows, cached
from core.evaluate.evaluator import Wanted, always
from core.evaluate.packing import PackedLinears
from core.model.model import LoadedModel
from core.pauses import Pause
from core.records.spec import Losses, TextProtocol
from core.records.storage import Evaluation, Store
from core.text.windows import fingerprint


class Kept:
    """What replicas measure on one text, kept in a ledger. Whoever waits is told of nothing, now and then."""

    def __init__(self, spread: Spread, ids: torch.Tensor, ledger: Ledger, *, states: int | None = None) -> None:
        """`ids` (sequences, length) and `states` are as of an Evaluator."""
        self._spread, self._ledger = spread, ledger
        self._text = Text(fingerprint(ids.cpu()), ids.cpu().numpy(), states)

    def batches(self, masks: Masks, *, divergences: bool = False) -> Iterator[Rows]:
        """The losses of coalitions (masks, players), with divergences if asked for; what is known comes first.

        Raises:
            ClusterError: as of `Spread.blocks`.
        """
        self._ledger.look_up(masks)
        names = [encode(mask) for mask in masks]
        known = self._ledger.with_divergences if divergences else self._ledger.losses
        found = [(row, losses) for row, name in enumerate(names) if (losses := known(name)) is not None]
        if found:
            yield found
        missing = np.array(sorted({*range(len(names))} - {row for row, _ in found}), dtype=np.int64)
        for block, figures in self._spread.blocks(self._text, masks[missing], divergences=divergences):
            rows = list(zip(missing[block].tolist(), figures, strict=True))
            self._ledger.keep([Evaluation(names[row], *np.atleast_2d(each)) for row, each in rows])
            yield rows


class KeptPart:
    """A CoalitionEvaluator of sequences that a search measures: by replicas, but for what is asked of one coalition."""

    def __init__(self, own: Cached, kept: Kept, between: Pause) -> None:
        """`own` measures here; `between` is called while nothing comes, and may raise to end the waiting."""
        self._own, self._kept, self._between = own, kept, between
        self.heads, self.sequences = own.heads, own.sequences

    def stream(self, mask: NDArray[np.bool_]) -> Iterator[Losses]:
        """As of an Evaluator."""
        return self._own.stream(mask)

    def losses(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]:
        """As of an Evaluator; all rows are measured."""
        return self._rows(masks, divergences=False)

    def with_divergences(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]:
        """As of an Evaluator; all rows are measured."""
        return self._rows(masks, divergences=True)

    def _rows(self, masks: Masks, *, divergences: bool) -> Iterator[tuple[int, Losses]]:
        for rows in self._kept.batches(masks, divergences=divergences):
            if not rows:
                self._between()
            yield from rows


def kept_by(spread: Spread | None, between: Pause) -> Evaluators:
    """What makes the evaluators of a search: of replicas, or of this process where there are none."""
    return cached if spread is None else partial(_part, spread, between)


def _part(
    spread: Spread,
    between: Pause,
    store: Store,
    protocol: TextProtocol,
    loaded: LoadedModel,
    ids: torch.Tensor,
    packed: PackedLinears,
    *,
    states: int,
) -> KeptPart:
    own = cached(store, protocol, loaded, ids, packed, states=states)
    return KeptPart(own, Kept(spread, ids, own.ledger, states=states), between)
