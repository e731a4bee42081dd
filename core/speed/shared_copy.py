"""The model that an export would write, in memory at once: it shares every weight with the whole one.

Its blocks are gone and not skipped. A cache of keys and values goes by the numbers of the blocks, so that a model of
which some are skipped cannot write with one.
"""

import copy
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import GenerationConfig, PreTrainedModel

from core.coalitions.players import computed
from core.errors import DeviceError
from core.export.cache_layers import last_attention
from core.export.delete_blocks import delete_blocks
from core.export.zero_sublayers import check_zeroing
from core.model.masked import missing_projections
from core.model.model import LoadedModel


def shared_copy(loaded: LoadedModel, mask: NDArray[np.bool_]) -> PreTrainedModel:
    """The model with a mask's players alone, (players,); `loaded` is left as found, and no weight is copied.

    A block that loses one half stays, with zeros for that half's output projection, as in an export. It writes
    greedily, as long as it is asked to, with a cache unless it cannot.

    Raises:
        UnsupportedModel: no configuration of this architecture gives the model that is left.
        ExportError: half of a layer is removed, and the weights are packed.
        DeviceError: some weights lie on the disk.
    """
    if loaded.offloaded:
        raise DeviceError(
            f"Weights of {loaded.info.source} lie partly on the disk: timed would be how fast that reads.",
            "Use --device cpu or cuda with a model that has room there, or a quantised version.",
        )
    kept = loaded.kept(mask)
    check_zeroing(loaded, kept)
    model = sharing_copy(loaded.model)
    _zero(loaded, model, kept)
    left = computed(kept)
    if not left.all():
        delete_blocks(model, loaded.blocks.path, left)
    saved = loaded.model.generation_config
    cached = (saved is None or saved.use_cache is not False) and not last_attention(loaded.checkpoint.config, left)
    # What a checkpoint's own settings add, such as penalties or an end of text, is none of the model's speed.
    model.generation_config = GenerationConfig(do_sample=False, use_cache=cached)
    return model


def sharing_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of all modules and settings; its weights and buffers are the very ones of `model`."""
    weights = chain(model.parameters(), model.buffers())
    return copy.deepcopy(model, {id(weight): weight for weight in weights})


def _zero(loaded: LoadedModel, model: PreTrainedModel, kept: NDArray[np.bool_]) -> None:
    """Gives a copy zeros of its own for the halves that are gone from blocks that stay, by `kept` (layers, 2)."""
    blocks = model.get_submodule(loaded.blocks.path)
    assert isinstance(blocks, nn.ModuleList)  # find_blocks took it from there
    for projection in missing_projections(loaded, kept, tuple(blocks)):
        for module in projection.modules():
            for name, weight in list(module.named_parameters(recurse=False)):
                setattr(module, name, nn.Parameter(torch.zeros_like(weight), requires_grad=False))
