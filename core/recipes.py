"""One choice of layers in the forms in which other tools take it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise

from core.errors import SelectionError
from core.players import dropped, names
from core.results import RunResult
from core.types import RunSpec


def whole_layers(players: Sequence[str], layers: int, removed: Sequence[int]) -> tuple[int, ...]:
    """The layers that go with the removed players, for tools that know whole layers only.

    Args:
        players: by name.
        layers: of the model.
        removed: players, by their places in a mask.

    Raises:
        SelectionError: half of a layer would go, which mergekit and llama.cpp cannot do.
    """
    blocks, halves = dropped(players, layers, removed)
    if halves:
        raise SelectionError(
            f"mergekit and llama.cpp remove whole layers, and this removes only half of some: {', '.join(halves)}.",
            "Export the model itself: there, half of a layer is switched off by zeros.",
        )
    return blocks


def recipe(result: RunResult, spec: RunSpec, removed: Sequence[int]) -> str:
    """What was removed from which model, how that was found, and the command that does it again, as JSON."""
    gone = names(result.model.players, sorted(removed))
    layers = ",".join(map(str, gone))
    fields = {
        "model": asdict(result.model),
        "removed": gone,
        "run": result.run,
        "found_by": asdict(spec),
        "protocol": asdict(result.protocol),
        "dense_perplexity": result.dense_perplexity,
        "command": f"python -m app export {result.run} --remove {layers} --out DIR",
    }
    return json.dumps(fields, indent=2) + "\n"


def mergekit(source: str, layers: int, removed: Sequence[int], dtype: str) -> str:
    """A passthrough configuration of mergekit: the runs of layers that stay, each as a half-open range."""
    lines = ["slices:"]
    for begin, end in runs_kept(layers, removed):
        lines += ["  - sources:", f"      - model: {json.dumps(source)}", f"        layer_range: [{begin}, {end}]"]
    return "\n".join([*lines, "merge_method: passthrough", f"dtype: {dtype}", ""])


def llama_quantize(removed: Sequence[int]) -> str:
    """The option of llama.cpp's `llama-quantize` that leaves the layers out of a GGUF file."""
    return f"llama-quantize --prune-layers {','.join(map(str, sorted(removed)))} model.gguf pruned.gguf COPY"


def runs_kept(layers: int, removed: Sequence[int]) -> list[tuple[int, int]]:
    """The runs of kept layers: (first, one past the last)."""
    edges = [-1, *sorted(removed), layers]
    return [(before + 1, after) for before, after in pairwise(edges) if after > before + 1]
