"""One choice of layers in the forms in which other tools take it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise

from core.results import RunResult
from core.types import RunSpec


def recipe(result: RunResult, spec: RunSpec, removed: Sequence[int]) -> str:
    """What was removed from which model, how that was found, and the command that does it again, as JSON."""
    layers = ",".join(map(str, sorted(removed)))
    fields = {
        "model": asdict(result.model),
        "removed": sorted(removed),
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
