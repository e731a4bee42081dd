"""A block that has lost one half, on disk: its output projection is zero, which is exact and loads everywhere."""

import errno
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedModel

from core.errors import ExportError
from core.export.copy_weights import SHARD
from core.model.loading import read_weights
from core.model.masked import missing_projections
from core.model.model import LoadedModel


def is_halved(kept: NDArray[np.bool_]) -> bool:
    """Whether a block that stays has lost one half, by `kept` (layers, 2)."""
    return bool((kept.any(axis=1) & ~kept.all(axis=1)).any())


def check_zeroing(loaded: LoadedModel, kept: NDArray[np.bool_]) -> None:
    """ExportError where halves are gone, by `kept` (layers, 2), and weights are no plain numbers in memory."""
    if is_halved(kept) and (loaded.info.quantisation or loaded.offloaded):
        why = f"quantised ({loaded.info.quantisation})" if loaded.info.quantisation else "partly on the disk"
        raise ExportError(
            f"Half of a layer is removed by zeros in its weights, and those of {loaded.info.source} are {why}.",
            "Remove whole layers, or use the model's version that is not quantised, on a device that has room for it.",
        )


def read_zeroed(loaded: LoadedModel, kept: NDArray[np.bool_]) -> PreTrainedModel:
    """The model, read once more as it was saved, with zeros for the halves that are gone from blocks that stay."""
    model = read_weights(loaded.checkpoint, "auto")
    blocks = model.get_submodule(loaded.blocks.path)
    assert isinstance(blocks, nn.ModuleList)  # find_blocks took it from there
    with torch.no_grad():
        for module in missing_projections(loaded, kept, tuple(blocks)):
            for weight in module.parameters():
                weight.zero_()
    return model


def save(model: PreTrainedModel, folder: Path) -> None:
    """`save_pretrained`, with a full disk told as such."""
    try:
        model.save_pretrained(folder, max_shard_size=SHARD)
    except SafetensorError as cause:  # it keeps the system's error as text only
        raise OSError(errno.ENOSPC if "os error 28" in str(cause) else errno.EIO, str(cause)) from cause
