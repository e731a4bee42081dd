"""Seconds a coalition on the device at hand: the official way, plain skipping, ours, and what the arithmetic takes.

No weights are needed: models of a shape are made at random on the device. All sides see one model, the same random
tokens and the same masks, in one process, in turn: in each round a few masks of A and of B, and all of them by C.

A   the official semantics: zero a block's parameters, run the whole model, restore them
B   the model's own forward, in which dropped blocks are skipped
C1  ours, one hidden state through a block at a time (in the first round only)
C   ours, as a run on this device has it
C'  the same with compiled blocks, where --compile asks for it: no run has it, and this tells what it would save
D   the limit: the multiplications by weights that C computes, at the rate of a large matrix multiplication
"""

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig

from app.cli.opening import quiet
from benchmarks.compiled import beside_eager
from benchmarks.evaluation import official, seconds
from core.checkpoint.checkpoint import Checkpoint
from core.checkpoint.device import DTYPES, choose_device, choose_dtype
from core.coalitions.masks import layer_evaluations
from core.evaluate.evaluator import Evaluator
from core.evaluate.reference import sequence_losses
from core.model.blocks import find_blocks
from core.model.model import LoadedModel
from core.records.spec import ModelInfo
from core.sampling.strata import default_strata, stratified

ROUNDS, OTHERS = 3, 5  # masks of A and of B in each round
SHAPES: dict[str, dict[str, Any]] = {
    "llama-2-7b": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "vocab_size": 32000,
    },
    "bundled": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    },
    "small": {
        "hidden_size": 128,
        "intermediate_size": 344,
        "num_hidden_layers": 12,
        "num_attention_heads": 4,
        "vocab_size": 2048,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, help="default: both models; small on a CPU")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--sequences", type=int, default=10)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--compile", action="store_true", help="also with compiled blocks; compiling takes its time")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/accelerator.json"))
    options = parser.parse_args()
    quiet()
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    shapes = options.shapes or (["small"] if device == "cpu" else ["llama-2-7b", "bundled"])
    answer: dict[str, Any] = {
        "device": card(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "dtype": dtype,
        "masks": options.masks,
        "tokens": [options.sequences, options.window],
        "shapes": {},
    }
    for name in shapes:
        loaded = at_random(name, dtype, device)
        answer["shapes"][name] = measure(loaded, options.masks, options.sequences, options.window, options.compile)
        del loaded
    print(table(answer))
    options.out.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")


def card(device: str) -> str:
    """The name of what computes."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def at_random(name: str, dtype: str, device: str) -> LoadedModel:
    """A model of a shape with random weights, which no file holds."""
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(LlamaConfig(**SHAPES[name]), dtype=DTYPES[dtype]).eval()
    blocks = find_blocks(model)
    parameters = sum(weight.numel() for weight in model.parameters())
    info = ModelInfo(name, type(model).__name__, len(blocks), parameters, "", dtype, device)
    return LoadedModel(info, model, blocks, cast(Checkpoint, None))


def measure(loaded: LoadedModel, count: int, sequences: int, window: int, fused: bool) -> dict[str, Any]:
    """All sides on one model."""
    layers, device = loaded.info.layers, loaded.info.device
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    draws, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    vocabulary = int(loaded.model.config.vocab_size)
    ids = torch.randint(0, vocabulary, (sequences, window), generator=draws)
    here = ids.to(device)
    masks = stratified(layers, default_strata(layers), count, 0)
    ours, single = Evaluator(loaded, ids), Evaluator(loaded, ids, together=1)
    together = ours._batches[0].together(masks, ours._room)
    for warm in (ours, single):
        list(warm.losses(masks[: 2 * together]))
    found = dict(ours.losses(masks[:1]))
    times: dict[str, list[float]] = {"A": [], "B": [], "C1": [], "C": [], "D": []}
    for turn in range(ROUNDS):
        some = [int(row) for row in rng.choice(count, min(OTHERS, count), replace=False)]
        times["A"].append(median(seconds(lambda row=row: official(loaded, here, masks[row])) for row in some))
        times["B"].append(
            float(np.mean([seconds(lambda row=row: sequence_losses(loaded, ids, masks[row])) for row in some]))
        )
        if turn == 0:
            times["C1"].append(seconds(lambda: dict(single.losses(masks))) / count)
        times["C"].append(seconds(lambda: found.update(ours.losses(masks))) / count)
        times["D"].append(arithmetic(loaded, masks, ids.numel()) / rate(device, loaded.model.dtype) / count)
    plain = np.stack([sequence_losses(loaded, ids, masks[row]) for row in some])
    medians = {side: median(values) for side, values in times.items()}
    return {
        "seconds": medians,
        "ratios": {pair: medians[pair[0]] / medians[pair[2:]] for pair in ("A/C", "B/C", "C/D")}
        | {"C1/C": medians["C1"] / medians["C"]},
        "A/C of each round": [a / c for a, c in zip(times["A"], times["C"], strict=True)],
        "states_together": together,
        "layer_evaluations_of_all": layer_evaluations(masks) / masks.size,
        "largest_relative_difference_to_B": float(max(abs(np.stack([found[r] for r in some]) / plain - 1).flat)),
        "peak_memory_mib": torch.cuda.max_memory_allocated(device) / 2**20 if device.startswith("cuda") else None,
        "compiled": beside_eager(loaded, ids, masks, ROUNDS) if fused else None,
    }


def arithmetic(loaded: LoadedModel, masks: Any, tokens: int) -> float:
    """Floating point operations of the layers and heads that C computes, multiplications by weights alone."""

    def weights(module: nn.Module) -> int:
        return sum(inner.weight.numel() for inner in module.modules() if isinstance(inner, nn.Linear))

    head = weights(cast(nn.Module, loaded.model.get_output_embeddings()))
    return 2.0 * tokens * (layer_evaluations(masks) * weights(loaded.blocks.modules[0]) + len(masks) * head)


def rate(device: str, dtype: torch.dtype) -> float:
    """Floating point operations a second of a large matrix multiplication: the best of a few."""
    size = 1024 if device == "cpu" else 8192
    with torch.inference_mode():
        one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

        def multiply() -> None:
            # Reading a number waits for a device that works on its own; ten in a row make that wait short beside them.
            for _ in range(10):
                product = one @ other
            product[0, 0].item()

        return 20.0 * size**3 / min(seconds(multiply) for _ in range(5))


def table(answer: dict[str, Any]) -> str:
    """One line for each shape, times in milliseconds a mask."""
    sequences, window = answer["tokens"]
    lines = [
        f"{answer['device']}, {answer['dtype']}, {answer['masks']} masks, {sequences} x {window} tokens",
        "| shape | A | B | C1 | C | D | A/C | B/C | C1/C | C/D | states together |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in answer["shapes"].items():
        times = [f"{1e3 * found['seconds'][side]:.2f}" for side in ("A", "B", "C1", "C", "D")]
        ratios = [f"{found['ratios'][pair]:.2f}" for pair in ("A/C", "B/C", "C1/C", "C/D")]
        lines.append(f"| {' | '.join([name, *times, *ratios, str(found['states_together'])])} |")
    for name, found in answer["shapes"].items():
        if compiled := found["compiled"]:
            eager, fused = (1e3 * compiled["seconds"][side] for side in ("C", "C'"))
            pays = f"pays from {compiled['pays from']:,.0f} masks on" if compiled["pays from"] else "never pays"
            lines.append(
                f"{name} compiled: {fused:.2f} instead of {eager:.2f} ms a mask; compiling takes "
                f"{compiled['compiling']:.1f} s and {pays}. Losses are {compiled['mean_absolute_nll']:.1e} nats apart, "
                f"rank correlation {compiled['spearman']:.6f}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
