"""Trains a small Mamba and a small RWKV on the embedded corpus, for results on layers of their kinds that are no noise.

Both are saved as transformers saves them, with a byte tokenizer: FOLDER/mamba and FOLDER/rwkv load anywhere. The corpus
repeats whole sections, so each paragraph is taken once; the last fifth of them is not trained on: FOLDER/held-out.txt.
A training that was stopped goes on from its last checkpoint to the same weights. FOLDER/training.json says how many
bits a byte of the held-out text take, by the models and by counts of single bytes and of pairs in the training text.

    python -m benchmarks.training FOLDER
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from transformers import AutoModelForCausalLM, AutoTokenizer, MambaConfig, PreTrainedConfig, PreTrainedModel, RwkvConfig

from app.cli.opening import quiet
from benchmarks.byte_tokenizer import BOS, EOS, VOCABULARY, save_tokenizer
from benchmarks.recurrence import fast
from core.text.corpora import EMBEDDED, read

LENGTH = 128  # bytes in a window, of training and of everything after
BATCH = 8
WARM_UP = 50  # steps
SAVED_EVERY = 100  # steps
SMOOTHING = 0.1  # added to each count
HELD_OUT, FIGURES = "held-out.txt", "training.json"


@dataclass(frozen=True)
class Recipe:
    config: PreTrainedConfig
    steps: int
    rate: float  # of AdamW at its highest: linear warm-up, cosine decay to a twentieth


SPECIAL = {"vocab_size": VOCABULARY, "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": EOS}
RECIPES = {
    "mamba": Recipe(MambaConfig(hidden_size=96, num_hidden_layers=16, state_size=4, **SPECIAL), 800, 3e-3),
    "rwkv": Recipe(
        # Rescaling serves half precision only, and changes the weights between training and inference.
        RwkvConfig(hidden_size=96, num_hidden_layers=12, context_length=1024, rescale_every=0, **SPECIAL),
        1500,
        2e-3,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    quiet()
    options.folder.mkdir(parents=True, exist_ok=True)
    text, other = texts()
    (options.folder / HELD_OUT).write_text(other, encoding="utf-8")
    save_tokenizer(options.folder)
    tokenizer = AutoTokenizer.from_pretrained(options.folder)
    stream, held = (torch.tensor(tokenizer(part, verbose=False)["input_ids"]) for part in (text, other))
    held = held[: len(held) // LENGTH * LENGTH].view(-1, LENGTH)
    unigram, bigram = counted(stream, held)
    found = {"bytes": {"trained on": len(stream), "held out": held.numel()}, "unigram": unigram, "bigram": bigram}
    for name, recipe in RECIPES.items():
        folder = options.folder / name
        folder.mkdir(exist_ok=True)
        model, seconds = train(recipe, stream, folder / "checkpoint.pt")
        model.save_pretrained(folder)
        save_tokenizer(folder)
        found[name] = {"parameters": model.num_parameters(), "seconds": round(seconds), **judged(model, held)}
        print(name, found[name], flush=True)
    (options.folder / FIGURES).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def texts() -> tuple[str, str]:
    """The text to train on, and what is held out; no paragraph is in both."""
    paragraphs = list(dict.fromkeys(read(EMBEDDED, "whole").text.split("\n\n")))
    begin = len(paragraphs) * 4 // 5
    return "\n\n".join(paragraphs[:begin]), "\n\n".join(paragraphs[begin:])


def train(recipe: Recipe, stream: Tensor, checkpoint: Path) -> tuple[PreTrainedModel, float]:
    """The trained model and the seconds that it took, from a checkpoint on where there is one."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(recipe.config, dtype=torch.float32).train()
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    others = [weight for weight in model.parameters() if weight.dim() != 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    first, before = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, before = state["step"], state["seconds"]
    begun, losses = time.monotonic() - before, []
    for step in range(first, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(recipe, step)
        ids = drawn(stream, step)
        with fast():
            logits = model(input_ids=ids, use_cache=False).logits
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % SAVED_EVERY == 0 or step + 1 == recipe.steps:
            seconds = time.monotonic() - begun
            bits = sum(losses[-100:]) / len(losses[-100:]) / math.log(2)
            print(f"step {step + 1} of {recipe.steps}, {seconds:.0f} s: {bits:.3f} bits a byte", flush=True)
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**state, "step": step + 1, "seconds": seconds}, checkpoint)
    return model.eval(), time.monotonic() - begun


def rate(recipe: Recipe, step: int) -> float:
    falling = 0.05 + 0.95 * (1 + math.cos(math.pi * step / recipe.steps)) / 2
    return recipe.rate * min(1.0, (step + 1) / WARM_UP) * falling


def drawn(stream: Tensor, step: int) -> Tensor:
    """The windows of a step, (batch, length), each from anywhere in the text."""
    starts = torch.randint(len(stream) - LENGTH, (BATCH,), generator=torch.Generator().manual_seed(step))
    return torch.stack([stream[start : start + LENGTH] for start in starts])


def judged(model: PreTrainedModel, held: Tensor) -> dict[str, float]:
    """Bits a byte by transformers' own forward, and how far the logits of the fast one are from it."""
    losses, apart = [], []
    with torch.inference_mode():
        for ids in torch.split(held, 32):
            logits = model(input_ids=ids, use_cache=False).logits
            losses.append(F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none"))
            with fast():
                apart.append(float((model(input_ids=ids, use_cache=False).logits - logits).abs().max()))
    return {"bits a byte": float(torch.cat(losses).mean() / math.log(2)), "largest difference of logits": max(apart)}


def counted(stream: Tensor, held: Tensor) -> tuple[float, float]:
    """Bits a byte of `held` (windows, length) without their first bytes, by counts of bytes and of pairs."""
    pairs = torch.bincount(stream[:-1] * VOCABULARY + stream[1:], minlength=VOCABULARY**2).view(VOCABULARY, -1)
    joint, single = pairs.double() + SMOOTHING, pairs.sum(dim=0).double() + SMOOTHING
    unigram = (single / single.sum()).log2()[held[:, 1:]]
    bigram = (joint / joint.sum(dim=1, keepdim=True)).log2()[held[:, :-1], held[:, 1:]]
    return -float(unigram.mean()), -float(bigram.mean())


if __name__ == "__main__":
    main()
