"""One copy of a model in a process of its own, which measures what it is sent. It knows no store."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core import __version__
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import Masks
from core.errors import QuorumError
from core.evaluate.evaluator import Evaluator
from core.evaluate.packing import PackedLinears
from core.model.model import load
from core.records.looks import Refusal
from core.records.spec import OFFLOAD


@dataclass(frozen=True)
class Order:
    """The model that a replica loads."""

    model: str
    fingerprint: str
    dtype: str
    device: str
    players: tuple[str, ...]
    gpus: int = 1  # that hold it, where it computes on such
    release: str = __version__


@dataclass(frozen=True)
class Text:
    """What it measures on."""

    tokens: str  # fingerprint of the ids
    ids: NDArray[np.int64]  # token ids (sequences, length)
    states: int | None = None  # bytes that hidden states may take, as of an Evaluator


class Replica:
    """Its calls run one after the other."""

    def open(self, order: Order) -> Refusal | None:
        """Loads the model; tells why it cannot."""
        if order.release != __version__:
            return Refusal(
                f"A node has Quorum {__version__}, and this machine {order.release}.", "Install the same on both."
            )
        if order.device == "cpu":
            torch.set_num_threads(1)  # whatever their number, workers add in the same order
        try:
            device = order.device if order.gpus == 1 else OFFLOAD  # over all that it is given
            loaded = load(locate(order.model), order.dtype, device)
        except QuorumError as refused:
            return Refusal(refused.message, refused.hint)
        if order.gpus > 1 and loaded.offloaded:
            return Refusal(
                f"{order.gpus} GPUs of a node have no room for all of {order.model}.", "Use nodes with larger GPUs."
            )
        if loaded.info.fingerprint != order.fingerprint:
            return Refusal(
                f"A node has another model under {order.model} than this machine.", "Give all nodes the same files."
            )
        if loaded.info.players != order.players:
            loaded = loaded.played_by(order.players)
        self._loaded, self._packed = loaded, PackedLinears(loaded.model)
        self._evaluators: dict[str, Evaluator] = {}
        return None

    def measure(self, text: Text, masks: Masks, divergences: bool = False) -> NDArray[np.float32]:
        """The losses of coalitions (masks, players), (masks, sequences); (masks, 2, sequences) with divergences."""
        if text.tokens not in self._evaluators:
            ids = torch.from_numpy(text.ids.copy())  # what Ray hands over may not be written to
            self._evaluators[text.tokens] = Evaluator(self._loaded, ids, self._packed, states=text.states)
        evaluator = self._evaluators[text.tokens]
        found = dict(evaluator.with_divergences(masks) if divergences else evaluator.losses(masks))
        return np.stack([found[row] for row in range(len(masks))])
