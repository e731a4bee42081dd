"""What every rival is given, under one protocol."""

from dataclasses import dataclass, field
from functools import cached_property

import torch

from core.compensation.scale import Divisible, divisible
from core.evaluate.meter import Meter
from core.model.model import LoadedModel
from core.pauses import Pause, nothing

Plans = dict[int, tuple[int, ...]]  # by the number of removed players, which ones


@dataclass(frozen=True)
class Contest:
    """What every rival is given: the model, the calibration sequences, and how much to remove."""

    loaded: LoadedModel
    ids: torch.Tensor  # (sequences, length)
    meter: Meter  # with a stage of all of them; one for each rival, since it counts
    counts: tuple[int, ...]  # numbers of players to remove, ascending
    seed: int = 0
    units: float | None = None  # compute for each count of a search that is not over by itself; None: as published
    fit: torch.Tensor | None = None  # sequences for fits that are part of a method; None: `ids`
    # Of a method that removes and mends by turns, the players so far, each with its scale; it goes on from there.
    path: list[tuple[int, float]] = field(default_factory=list)
    keep: Pause = nothing  # called when the path has grown

    @property
    def fitted(self) -> torch.Tensor:
        """The sequences of fits, (sequences, length)."""
        return self.ids if self.fit is None else self.fit

    @cached_property
    def divisible(self) -> Divisible:
        """By which parameters what blocks add is divided, of all that may be behind a cut; looked for once."""
        return divisible(self.loaded, range(1, len(self.loaded.blocks)))

    @property
    def most(self) -> int:
        return self.counts[-1]

    @property
    def sequences(self) -> int:
        return len(self.ids)

    def forwards(self, count: float) -> None:
        """Charges forwards of the whole model."""
        self.meter.charge(count * self.meter.cost(self.meter.whole, self.sequences), int(count * self.ids.numel()))

    def pass_to(self, *depths: float) -> None:
        """Charges passes over the sequences of fits, each through so many blocks and no head."""
        tokens = self.fitted.numel()
        self.meter.charge(sum(depths) * tokens, len(depths) * tokens)
