"""One choice of layers in the forms in which other tools take it."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from core.paths import user_path
from core.types import BUNDLED, BUNDLED_HUB, ModelInfo

FORMATS = ("recipe", "mergekit", "llama.cpp", "evopress")  # the first is Quorum's own (core.recipe)


def mergekit(model: ModelInfo, removed: Sequence[int]) -> str:
    """A passthrough configuration of mergekit: the runs of layers that stay, each as a half-open range.

    mergekit reads safetensors only; of a GGUF file it says to name the model that the file was made of.
    """
    source, lines = BUNDLED_HUB if model.source == BUNDLED else model.source, ["slices:"]
    if _is_gguf(model.source):
        name = json.dumps(Path(model.source).name)
        lines.insert(0, f"# mergekit reads no GGUF: in place of OWNER/NAME, name the model that {name} was made of.")
        source = "OWNER/NAME"
    for begin, end in runs_kept(model.layers, removed):
        lines += ["  - sources:", f"      - model: {json.dumps(source)}", f"        layer_range: [{begin}, {end}]"]
    return "\n".join([*lines, "merge_method: passthrough", f"dtype: {model.dtype}", ""])


def llama_quantize(removed: Sequence[int]) -> str:
    """The option of llama.cpp's `llama-quantize` that leaves the layers out of a GGUF file."""
    return f"llama-quantize --prune-layers {','.join(map(str, sorted(removed)))} model.gguf pruned.gguf COPY"


def evopress(layers: int, removed: Sequence[int]) -> str:
    """EvoPress's file of dropped layers: a line for each layer, of none, attn, mlp and attn+mlp.

    Its `drop_layers_from_config` reads it (github.com/IST-DASLab/EvoPress, src/model_utils.py). Lines are ended, not
    separated, by a newline, so that there are as many as layers.
    """
    gone = set(removed)
    return "".join("attn+mlp\n" if layer in gone else "none\n" for layer in range(layers))


def runs_kept(layers: int, removed: Sequence[int]) -> list[tuple[int, int]]:
    """The runs of kept layers: (first, one past the last)."""
    edges = [-1, *sorted(removed), layers]
    return [(before + 1, after) for before, after in pairwise(edges) if after > before + 1]


def _is_gguf(source: str) -> bool:
    """Whether a model that the user named is a GGUF file, or a folder that holds one in place of safetensors."""
    path = user_path(source)
    return path.suffix == ".gguf" or (any(path.glob("*.gguf")) and not any(path.glob("*.safetensors")))
