"""A few sequences, and what coalitions come to on them: by the walk, or by plain forwards where states find no room."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from core.coalitions.masks import Masks
from core.evaluate.losses import sequence_kl, sequence_nll
from core.evaluate.walks.sequences import Sequences
from core.evaluate.walks.together import fills, within
from core.evaluate.walks.walk import Walk, queues
from core.model.masked import playing
from core.model.model import LoadedModel

Found = tuple[list[list[int]], torch.Tensor]  # rows that come to one state, and figures (states, figures, sequences)


class Batch:
    """Sequences `ids` (sequences, length) on the model's device."""

    def __init__(
        self, loaded: LoadedModel, ids: torch.Tensor, at_once: int, *, keep: bool, keep_reference: bool = False
    ) -> None:
        """Takes sequences whose logits may exist for `at_once` of them at a time.

        `keep` allows one hidden state for each depth; without it, every mask is a plain forward. `keep_reference`
        allows the whole model's log probabilities; without it, they are computed again for each divergence.
        """
        self.keeps_reference = keep_reference
        self._loaded = loaded
        self._ids = ids
        self._at_once = at_once
        self.sequences = Sequences(loaded, ids, at_once) if keep else None
        self._walk = Walk(self.sequences) if self.sequences is not None else None

    def losses(self, mask: NDArray[np.bool_]) -> torch.Tensor:
        """The mean NLL of each sequence under a mask (players,), (sequences,) on the device."""
        return self.one(mask, divergences=False)[0]

    def one(self, mask: NDArray[np.bool_], *, divergences: bool) -> torch.Tensor:
        """The figures of one mask (players,), (1 or 2, sequences) on the device."""
        [(_, found)] = self.measure(mask[None], lambda _: True, divergences=divergences)
        return found[0]

    def measure(
        self, masks: Masks, wanted: Callable[[int], bool], *, divergences: bool, together: int = 1
    ) -> Iterator[Found]:
        """The figures of masks (masks, players), on the device: the mean NLL of each sequence, and with `divergences`
        its mean KL from the whole model's predictions.

        Args:
            masks: of coalitions.
            wanted: asked for each row before it is evaluated.
            divergences: measure these as well, in the same forwards.
            together: states that go through a block at a time, at most.
        """
        if self._walk is None:
            for row in np.lexsort(masks.T[::-1]):
                if wanted(int(row)):
                    yield [[int(row)]], self._judged(self._plain(masks[row]), divergences)
            return
        heads = min(together, max(1, self._at_once // len(self._ids)))
        for rows, states in self._walk.finals(self._loaded.kept(masks), wanted, together, heads):
            yield rows, self._judged(self._head(states), divergences)

    def together(self, masks: Masks, room: int) -> int:
        """How many states fill the device, and take `room` bytes at most; 1 where there are none."""
        if self.sequences is None:
            return 1
        start, info = self.sequences.start, self._loaded.info
        most = within(room, info.device, start.nbytes, info.layers, queues(self._loaded.kept(masks)))
        return min(most, fills(self.sequences)) if most > 1 else 1

    def held(self) -> list[torch.Tensor]:
        """The hidden states that stay between two calls."""
        return self._walk.held() if self._walk is not None else []

    def _judged(self, parts: Iterable[tuple[torch.Tensor, torch.Tensor]], divergences: bool) -> torch.Tensor:
        """Figures (states, 1 or 2, sequences): each part has token ids and logits of some sequences of every state."""
        if not divergences:
            losses = torch.cat([sequence_nll(logits, ids) for ids, logits in parts])
            return losses.view(-1, 1, len(self._ids))
        return torch.cat(
            [_both(ids, logits, ours) for (ids, logits), ours in zip(parts, self._reference(), strict=True)], dim=2
        )

    def _reference(self) -> Iterable[torch.Tensor]:
        """The whole model's log probabilities, chunk by chunk."""
        return self._kept_reference if self.keeps_reference else self._predictions()

    @cached_property
    def _kept_reference(self) -> list[torch.Tensor]:
        return list(self._predictions())

    def _predictions(self) -> Iterator[torch.Tensor]:
        logits = self._head(self._whole) if self._walk is not None else self._plain(self._everybody)
        return (F.log_softmax(part, dim=-1, dtype=torch.float32) for _, part in logits)

    @cached_property
    def _whole(self) -> torch.Tensor:
        """The whole model's last hidden state: its predictions in the smallest form, one head away."""
        assert self.sequences is not None
        [(_, state)] = Walk(self.sequences).finals(self._loaded.kept(self._everybody[None]), lambda _: True, 1, 1)
        return state

    @property
    def _everybody(self) -> NDArray[np.bool_]:
        return np.ones(len(self._loaded.info.players), dtype=np.bool_)

    def _head(self, states: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        assert self.sequences is not None
        return self.sequences.head(states)

    def _plain(self, mask: NDArray[np.bool_]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Token ids and logits by the model's own forward, for as many sequences at a time as may have logits."""
        for ids in torch.split(self._ids, self._at_once):
            with playing(self._loaded, mask):
                logits = self._loaded.model(input_ids=ids, use_cache=False).logits
            yield ids, logits


def _both(ids: torch.Tensor, logits: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Losses and divergences (states, 2, sequences) of logits (states x sequences, length, vocabulary)."""
    states = logits.reshape(-1, *reference.shape)
    losses = sequence_nll(logits, ids).view(len(states), -1)
    return torch.stack([losses, torch.stack([sequence_kl(state, reference) for state in states])], dim=1)
