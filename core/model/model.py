"""A causal language model in memory, in evaluation mode, with its blocks and players."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedModel

from core.checkpoint.checkpoint import Checkpoint, fingerprint
from core.checkpoint.config import check_weights
from core.checkpoint.device import choose_device, choose_dtype
from core.checkpoint.quantisation import count_parameters, quantisation
from core.coalitions.masks import Masks
from core.coalitions.players import HALVES, Switches, are_halves, kept, parts, switches
from core.errors import UnsupportedModel
from core.model.blocks import Blocks, find_blocks
from core.model.cached_attention import cached_attention
from core.model.loading import read_weights
from core.model.skipping import check_skipping
from core.model.sublayers import Halves, find_halves
from core.records.spec import OFFLOAD, ModelInfo


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, in evaluation mode, with its blocks found."""

    info: ModelInfo
    model: PreTrainedModel
    blocks: Blocks
    checkpoint: Checkpoint
    halves: tuple[Halves, ...] = ()  # of each block, where halves play

    def played_by(self, players: Sequence[str]) -> "LoadedModel":
        """The same weights with other players, by name.

        Raises:
            UnsupportedModel: halves of blocks are asked for, and this model's blocks have none.
        """
        halves = self.halves
        if not halves and are_halves(players):
            halves = find_halves(self.model, self.blocks)
        return replace(self, info=replace(self.info, players=tuple(players)), halves=halves)

    def kept(self, masks: Masks) -> NDArray[np.bool_]:
        """Which halves of blocks stay under masks (..., players): (..., layers, 2)."""
        return kept(self.switches, masks)

    @cached_property
    def switches(self) -> Switches:
        """What each player switches off."""
        return switches(self.info.players, self.info.layers)

    def parameters_without(self, removed: Sequence[int]) -> int:
        """Parameters of the model that is left without some players; a half alone leaves zeros behind."""
        return self.info.parameters_without(removed, self.layer_parameters)

    @cached_property
    def layer_parameters(self) -> tuple[int, ...]:
        """Of each player."""
        return tuple(
            sum(self._parameters(block, halves) for block in range(first, last + 1))
            for first, last, halves in map(parts, self.info.players)
        )

    def _parameters(self, block: int, halves: str) -> int:
        """Of a block, or of one half of it; what it has outside of its MLP is its mixer's."""
        module = self.blocks.modules[block]
        whole = count_parameters(module)
        if halves == HALVES:
            return whole
        mlp = sum(count_parameters(module.get_submodule(child)) for child in self.halves[block].mlp_children)
        return mlp if halves == "m" else whole - mlp

    @cached_property
    def weights(self) -> tuple[list[nn.Parameter], ...]:
        """The parameters of each player; what a block has outside of its MLP is its mixer's."""
        found = []
        for first, last, halves in map(parts, self.info.players):
            own: list[nn.Parameter] = []
            for block in range(first, last + 1):
                for name, weight in self.blocks.modules[block].named_parameters():
                    mlp = bool(self.halves) and name.partition(".")[0] in self.halves[block].mlp_children
                    own += [weight] if len(halves) > 1 or mlp == (halves == "m") else []
            found.append(own)
        return tuple(found)

    @property
    def device(self) -> str:
        """What to ask for, to load such a model once more."""
        return OFFLOAD if self.offloaded or len(self.devices) > 1 else self.info.device

    @cached_property
    def devices(self) -> frozenset[str]:
        """Where weights stay: one device, or the GPUs that a model is spread over."""
        return frozenset(str(weight.device) for weight in self.model.parameters() if not weight.is_meta)

    @cached_property
    def offloaded(self) -> bool:
        """Whether some weights are brought to the device only when their layer's turn comes."""
        return any(weight.is_meta for weight in self.model.parameters())


def load(checkpoint: Checkpoint, dtype: str = "auto", device: str = "auto") -> LoadedModel:
    """Reads the weights and finds the blocks.

    Args:
        checkpoint: what `locate` gave.
        dtype: auto, float32, bfloat16 or float16; auto is the fastest one that the device computes natively.
        device: auto, cpu, cuda, cuda:N, mps, or offload: weights lie on the disk if they find no room in memory.

    Raises:
        ModelError, DeviceError.
    """
    on = choose_device(device)
    kind = choose_dtype(dtype, on)
    packed = quantisation(checkpoint.source, checkpoint.config, on)
    check_weights(checkpoint.source, checkpoint.config, checkpoint.folder)
    if packed and device == OFFLOAD:
        raise UnsupportedModel(
            f"{checkpoint.source} is quantised ({packed}), and quantised weights must lie on the device that computes.",
            "Use --device auto: they take a fraction of the memory.",
        )
    try:
        model = read_weights(checkpoint, kind, device)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as cause:
        raise UnsupportedModel(
            f"{checkpoint.source} cannot be loaded: {type(cause).__name__}: {str(cause).strip()[:300]}",
            "Check that the folder is complete, and that the model fits into the memory of the device.",
        ) from cause
    try:
        blocks = find_blocks(model)
    except RuntimeError as cause:
        raise UnsupportedModel(
            f"{type(model).__name__} does not compute in {kind} on {on}: {str(cause).strip()[:200]}",
            "Use --dtype float32." if kind != "float32" else f"Use another device than {on}, or another model.",
        ) from cause
    check_skipping(model, blocks)
    info = ModelInfo(
        source=checkpoint.source,
        architecture=type(model).__name__,
        layers=len(blocks),
        parameters=count_parameters(model),
        fingerprint=fingerprint(checkpoint),
        dtype=kind,
        device=on,
        quantisation=packed,
        commit=checkpoint.commit,
        attention=cached_attention(checkpoint.config, len(blocks)),
    )
    return LoadedModel(info, model, blocks, checkpoint)
