"""Which groups of weights can share a scale, and whether they lie on a grid of four bits already."""

from math import gcd
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from core.checkpoint.config import skeleton
from core.checkpoint.headers import weight_files
from core.errors import UnsupportedModel

BITS = 4
_SIZES = (256, 128, 64, 32)
_USUAL = 128  # of the literature and of the libraries
_LOOKED_AT = 4096  # groups
_GRID = 32  # weights of a group in the common four-bit formats of GGUF files


def group_size(config: Any, asked: int | None, only: int | None = None) -> int:
    """How many weights of a row share a scale: what is asked for, or the largest size up to 128 that divides all rows.

    Args:
        config: the checkpoint's.
        asked: None for the largest.
        only: the one size that a library knows.

    Raises:
        UnsupportedModel: the size does not divide the rows of every linear layer, or none does.
    """
    model = skeleton(config)
    head = model.get_output_embeddings()
    layers = [module for module in model.modules() if isinstance(module, nn.Linear) and module is not head]
    widths = sorted({layer.in_features for layer in layers})
    if not widths:
        raise UnsupportedModel(
            f"{config.model_type} cannot be quantised: its matrices are no linear layers (GPT-2's are Conv1D).",
            "Quantise a model such as Llama, Qwen or Mistral.",
        )
    if only is not None and asked not in (None, only):
        raise UnsupportedModel(f"This library shares scales among {only} weights.", f"Use --group-size {only}.")
    fitting = [size for size in (_SIZES if only is None else (only,)) if gcd(*widths) % size == 0]
    if asked in fitting:
        return asked
    rows = f"Rows of its linear layers have {', '.join(map(str, widths))} weights"
    if not fitting:
        raise UnsupportedModel(f"{rows}, which no groups of this library divide.", "Use another library or model.")
    if asked is None:
        return next((size for size in fitting if size <= _USUAL), fitting[-1])
    raise UnsupportedModel(
        f"Groups of {asked} weights do not fit. {rows}.",
        f"Use --group-size {' or '.join(map(str, reversed(fitting)))}.",
    )


def is_on_grid(folder: Path) -> bool:
    """Whether no group of 32 weights of a projection has more than 16 different ones, as in a file of four bits.

    Looks at the first matrix of an MLP's output in the files that has more than one value; False where there is none.
    """
    for file in weight_files(folder).files:
        with safe_open(file, "pt") as content:
            named = sorted(name for name in content.keys() if name.endswith("down_proj.weight"))  # noqa: SIM118
            for name in named:
                weight = content.get_tensor(name)
                if weight.shape[-1] % _GRID or not weight.is_floating_point():
                    return False
                groups = weight.float().reshape(-1, _GRID)[:_LOOKED_AT].sort(dim=1).values
                groups = groups[groups[:, 0] != groups[:, -1]]  # of one value, as where a half was removed, say nothing
                if not len(groups):
                    continue
                different = 1 + (torch.diff(groups, dim=1) != 0).sum(dim=1)
                return bool((different <= 2**BITS).all())
    return False
