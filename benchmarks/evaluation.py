"""Seconds a coalition: the official way, plain skipping, ours, and the limit that matrix multiplication sets.

All sides see one model (bundled), the same tokens (10 x 128) and masks, in one process, in turn: after a part of our
walk over the masks, the other sides measure a few of them. Times are of this machine; ratios and counts carry over.

A  the official semantics: zero a block's parameters, run the whole model, restore them (described in arXiv 2602.07804's
   code; written anew here)
B  the model's own forward, in which dropped blocks are skipped
C  ours
D  the limit: multiplications of the layers and heads that C computes, at the speed of bare matmuls of their shapes
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from app.cli.opening import quiet
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import Masks, layer_evaluations
from core.evaluate.evaluator import Evaluator
from core.evaluate.packing import PackedLinears
from core.evaluate.precision import compare
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel, load
from core.records.spec import TextSpec
from core.sampling.strata import default_strata, stratified
from core.text.corpora import EMBEDDED, read
from core.text.windows import cut

COUNTS = (30, 100, 300, 1000, 3000, 8000)
OTHERS = 2  # masks of A and of B after each part of C


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=300)
    parser.add_argument("--parts", type=int, default=10, help="parts of C's walk, between which A and B are measured")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/evaluation.json"))
    options = parser.parse_args()
    quiet()
    answer: dict[str, Any] = {"masks": options.masks, "threads": torch.get_num_threads(), "dtypes": {}}
    for dtype in ("bfloat16", "float32"):
        answer["dtypes"][dtype] = measure(dtype, options.masks, options.parts)
        print(table(dtype, answer["dtypes"][dtype]), flush=True)
    sixteen, full = answer["dtypes"]["bfloat16"], answer["dtypes"]["float32"]
    answer["A_float32_over_C_bfloat16"] = full["seconds"]["A"] / sixteen["seconds"]["C"]
    answer["layer_evaluations_of_all"] = {
        layers: {count: round(share(layers, count), 3) for count in COUNTS} for layers in (30, 60, 80)
    }
    print(f"A in float32 / C in bfloat16: {answer['A_float32_over_C_bfloat16']:.2f}")
    for layers, shares in answer["layer_evaluations_of_all"].items():
        print(f"layer evaluations, {layers} layers, of A's: " + ", ".join(f"{k}: {v}" for k, v in shares.items()))
    options.out.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")


def measure(dtype: str, count: int, parts: int) -> dict[str, Any]:
    """All sides in one dtype."""
    loaded = load(locate("bundled"), dtype, "cpu")
    layers = len(loaded.info.players)
    ids = calibration(loaded, 10)
    masks = stratified(layers, default_strata(layers), count, 0)
    walk = Evaluator(loaded, ids).losses(masks)
    ours: dict[int, NDArray[np.float32]] = {}
    times: dict[str, list[float]] = {"A": [], "B": [], "C": [], "layer": [], "head": []}
    rng = np.random.default_rng(0)
    for part in np.array_split(np.arange(count), parts):
        begun = time.perf_counter()
        ours.update(next(walk) for _ in part)
        times["C"].append((time.perf_counter() - begun) / len(part))
        for row in rng.choice(count, OTHERS, replace=False):
            times["A"].append(seconds(lambda row=row: official(loaded, ids, masks[row])))
            times["B"].append(seconds(lambda row=row: sequence_losses(loaded, ids, masks[row])))
        layer, head = matmuls(loaded, ids.numel())
        times["layer"].append(layer)
        times["head"].append(head)
    nodes = layer_evaluations(masks)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {
        "A": median(times["A"]),
        "B": float(np.mean(times["B"])),
        "C": float(np.mean(times["C"])),
        "D": nodes / count * median(times["layer"]) + median(times["head"]),
    }
    rows = [int(row) for row in rng.choice(count, 5, replace=False)]
    plain = np.stack([sequence_losses(loaded, ids, masks[row]) for row in rows])
    return {
        "seconds": found,
        "ratios": {"A/C": found["A"] / found["C"], "B/C": found["B"] / found["C"], "C/D": found["C"] / found["D"]},
        "layer_evaluations_of_all": nodes / (count * layers),
        "largest_relative_difference_to_B": float(max(abs(np.stack([ours[r] for r in rows]) / plain - 1).flat)),
        "peak_memory_mib_of_the_benchmark": memory,
        "milliseconds_of_a_layer": {"limit": 1e3 * median(times["layer"]), "ours": 1e3 * layer_time(loaded, ids)},
        "milliseconds_of_a_head": {"limit": 1e3 * median(times["head"]), "ours": 1e3 * head_time(loaded, ids)},
        "seconds_by_sequences": {n: growth(loaded, n) for n in (5, 10, 20)},
        "preview": preview(loaded, ids),
        "against_float32": None if dtype == "float32" else str(compare(loaded, ids, masks, ours)),
    }


def calibration(loaded: LoadedModel, sequences: int) -> torch.Tensor:
    spec = TextSpec(EMBEDDED, "calibration", 128, sequences, seed=0)
    return cut(read(EMBEDDED, "calibration"), loaded.checkpoint.tokenizer, spec).ids


def official(loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_]) -> float:
    """A: every layer computes; the parameters of dropped ones are zero meanwhile."""
    with torch.inference_mode():
        dropped = [p for index in np.flatnonzero(~mask) for p in loaded.blocks.modules[index].parameters()]
        kept = [parameter.clone() for parameter in dropped]
        for parameter in dropped:
            parameter.zero_()
        loss = float(loaded.model(input_ids=ids, labels=ids, use_cache=False).loss)
        for parameter, copy in zip(dropped, kept, strict=True):
            parameter.copy_(copy)
    return loss


def matmuls(loaded: LoadedModel, tokens: int) -> tuple[float, float]:
    """Seconds of the bare multiplications of one layer and of the head, each shape in its fastest form."""

    def fastest(linear: torch.nn.Linear) -> float:
        inputs = torch.randn(tokens, linear.in_features).to(linear.weight.dtype)
        with torch.inference_mode():
            plain = median(seconds(lambda: F.linear(inputs, linear.weight)) for _ in range(3))
            with PackedLinears(linear).in_use():
                packed = median(seconds(lambda: linear(inputs)) for _ in range(3))
        return min(plain, packed)

    block = loaded.blocks.modules[0]
    layer = sum(fastest(module) for module in block.modules() if isinstance(module, torch.nn.Linear))
    return layer, fastest(loaded.model.get_output_embeddings())


def layer_time(loaded: LoadedModel, ids: torch.Tensor) -> float:
    """Seconds of one layer of ours: two masks in turn that differ from the first layer on."""
    whole = np.ones(len(loaded.info.players), dtype=bool)
    none = np.zeros_like(whole)
    return (alternating(loaded, ids, whole, none) - head_time(loaded, ids)) / loaded.info.layers


def head_time(loaded: LoadedModel, ids: torch.Tensor) -> float:
    """Seconds of one head of ours: two masks in turn of which no layer has to be computed."""
    none = np.zeros(len(loaded.info.players), dtype=bool)
    return alternating(loaded, ids, none, none)


def alternating(loaded: LoadedModel, ids: torch.Tensor, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The median time of `one`, measured in turn with `other`."""
    evaluator = Evaluator(loaded, ids)
    times = []
    for _ in range(5):
        list(evaluator.losses(other[None]))
        times.append(seconds(lambda: list(evaluator.losses(one[None]))))
    return median(times)


def growth(loaded: LoadedModel, sequences: int) -> float:
    """Seconds a mask on more or fewer sequences, 10 masks."""
    evaluator = Evaluator(loaded, calibration(loaded, sequences))
    masks = stratified(len(loaded.info.players), default_strata(len(loaded.info.players)), 10, 0)
    return seconds(lambda: list(evaluator.losses(masks))) / len(masks)


def preview(loaded: LoadedModel, ids: torch.Tensor) -> dict[str, float]:
    """Seconds until the first number and the whole answer of a what-if that shares nothing with the last one."""
    evaluator = Evaluator(loaded, ids, growing=True)
    masks: Masks = np.ones((2, len(loaded.info.players)), dtype=bool)
    masks[0, 0] = False
    firsts, wholes = [], []
    for _ in range(5):
        list(evaluator.stream(masks[0]))
        begun = time.perf_counter()
        arrivals: Iterator[float] = (time.perf_counter() - begun for _ in evaluator.stream(masks[1]))
        firsts.append(next(arrivals))
        wholes.append(list(arrivals)[-1])
    return {"first_number": median(firsts), "whole_answer": median(wholes)}


def share(layers: int, count: int) -> float:
    masks = stratified(layers, default_strata(layers), count, 0)
    return layer_evaluations(masks) / masks.size


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def table(dtype: str, found: dict[str, Any]) -> str:
    lines = [f"\n{dtype}: seconds a mask"]
    lines += [f"  {side}  {value:.3f}" for side, value in found["seconds"].items()]
    lines += [f"  {name}: {value}" for name, value in found.items() if name != "seconds"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
