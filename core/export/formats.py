"""One choice of layers in the forms in which other tools take it."""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from core.coalitions.players import dropped, switches
from core.errors import SelectionError
from core.export.recipes.recipe import recipe
from core.paths import user_path
from core.records.results import RunResult
from core.records.spec import BUNDLED, BUNDLED_HUB, ModelInfo, RunSpec

# Architectures whose configurations say nothing of single layers: all layers are alike.
_ALIKE = {
    *("LlamaForCausalLM", "MistralForCausalLM", "GPT2LMHeadModel", "OPTForCausalLM", "GPTJForCausalLM"),
    *("GPTNeoXForCausalLM", "BloomForCausalLM", "FalconForCausalLM", "PhiForCausalLM", "Phi3ForCausalLM"),
    *("StableLmForCausalLM", "OlmoForCausalLM", "Olmo2ForCausalLM", "GraniteForCausalLM", "MixtralForCausalLM"),
    *("GemmaForCausalLM", "CohereForCausalLM", "MambaForCausalLM", "Mamba2ForCausalLM", "Starcoder2ForCausalLM"),
}


def whole_layers(model: ModelInfo, removed: Sequence[int]) -> tuple[int, ...]:
    """The layers that go with removed players, by their places in a mask, for tools that know whole layers only.

    Raises:
        SelectionError: half of a layer would go, which mergekit and llama.cpp cannot do.
    """
    blocks, halves = dropped(model.players, model.layers, removed)
    if halves:
        raise SelectionError(
            f"mergekit and llama.cpp remove whole layers, and this removes only half of some: {', '.join(halves)}.",
            "Export the model itself: there, half of a layer is switched off by zeros.",
        )
    return blocks


def mergekit(model: ModelInfo, removed: Sequence[int]) -> str:
    """A passthrough configuration of mergekit: the runs of layers that stay, each as a half-open range.

    mergekit reads safetensors only; of a GGUF file it says to name the model that the file was made of.
    """
    source, lines = BUNDLED_HUB if model.source == BUNDLED else model.source, [*layers_differ(model), "slices:"]
    if _is_gguf(model.source):
        name = json.dumps(Path(model.source).name)
        lines.insert(0, f"# mergekit reads no GGUF: in place of OWNER/NAME, name the model that {name} was made of.")
        source = "OWNER/NAME"
    for begin, end in runs_kept(model.layers, removed):
        lines += ["  - sources:", f"      - model: {json.dumps(source)}", f"        layer_range: [{begin}, {end}]"]
    return "\n".join([*lines, "merge_method: passthrough", f"dtype: {model.dtype}", ""])


def llama_quantize(model: ModelInfo, removed: Sequence[int]) -> str:
    """The option of llama.cpp's `llama-quantize` that leaves the layers out of a GGUF file."""
    command = f"llama-quantize --prune-layers {','.join(map(str, sorted(removed)))} model.gguf pruned.gguf COPY"
    return "\n".join([*layers_differ(model), command])


def layers_differ(model: ModelInfo) -> list[str]:
    """A warning, as comments, where settings may say something of each layer: mergekit and llama.cpp keep it whole."""
    if model.architecture in _ALIKE:
        return []
    return [
        f"# Careful: settings of {model.architecture} may have an entry for each layer (attention, windows, experts).",
        "# mergekit and llama.cpp leave those as long as they were, so that layers get the settings of others:",
        "# shorten them by hand, or export the folder with Quorum, which does, and convert that.",
    ]


def evopress(model: ModelInfo, removed: Sequence[int]) -> str:
    """EvoPress's file of dropped players, by their places in a mask: a line a layer, of none, attn, mlp and attn+mlp.

    Its `drop_layers_from_config` reads it (github.com/IST-DASLab/EvoPress, src/model_utils.py). Lines are ended, not
    separated, by a newline, so that there are as many as layers.
    """
    off = np.asarray(switches(model.players, model.layers)[list(removed)].any(axis=0))
    words = {(False, False): "none", (True, False): "attn", (False, True): "mlp", (True, True): "attn+mlp"}
    return "".join(f"{words[bool(attention), bool(mlp)]}\n" for attention, mlp in off)


def runs_kept(layers: int, removed: Sequence[int]) -> list[tuple[int, int]]:
    """The runs of kept layers: (first, one past the last)."""
    edges = [-1, *sorted(removed), layers]
    return [(before + 1, after) for before, after in pairwise(edges) if after > before + 1]


def _is_gguf(source: str) -> bool:
    """Whether a model that the user named is a GGUF file, or a folder that holds one in place of safetensors."""
    path = user_path(source)
    return path.suffix == ".gguf" or (any(path.glob("*.gguf")) and not any(path.glob("*.safetensors")))


# What each format makes of a run, its settled specification, and players by their places; the first is Quorum's own.
FORMATS: dict[str, Callable[[RunResult, RunSpec, Sequence[int]], str]] = {
    "recipe": recipe,
    "mergekit": lambda result, _, removed: mergekit(result.model, whole_layers(result.model, removed)),
    "llama.cpp": lambda result, _, removed: llama_quantize(result.model, whole_layers(result.model, removed)) + "\n",
    "evopress": lambda result, _, removed: evopress(result.model, removed),
}
