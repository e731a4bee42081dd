"""What every rival is given, under one protocol."""

from dataclasses import dataclass

import torch

from core.evaluate.meter import Meter
from core.model.model import LoadedModel

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

    @property
    def most(self) -> int:
        return self.counts[-1]

    @property
    def sequences(self) -> int:
        return len(self.ids)

    def forwards(self, count: float) -> None:
        """Charges forwards of the whole model."""
        self.meter.charge(count * self.meter.cost(self.meter.whole, self.sequences), int(count * self.ids.numel()))
