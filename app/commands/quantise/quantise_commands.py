"""The command that writes a model in four bits, and says what that saves and costs."""

import argparse
from dataclasses import asdict

from app.cli.opening import quiet
from app.cli.terminal import returned, say
from app.requests import located
from app.words import GRID
from core.checkpoint.memory import amount
from core.records.spec import RunSpec


def quantise(options: argparse.Namespace) -> None:
    """A folder of four bits, loaded again in a clean process and measured beside the model."""
    from core.quantise.quantising import quantising

    quiet()
    spec = RunSpec(
        model=options.folder,
        corpus=options.corpus,
        field=options.field,
        preset=options.preset,
        sequences=options.sequences,
        window=options.window,
        seed=options.seed,
        dtype=options.dtype,
        device=options.device,
    )
    done = returned(quantising(located(spec), options.rounder, options.group_size, options.out, options.fit))
    answer = asdict(done)
    rounder = answer["library"]
    rows = (("as it is", done.bytes_before, done.before), (f"{done.bits} bits", done.bytes_after, done.after))
    lines = [
        f"{done.path}: by {rounder} {done.version}, {done.method}, groups of {done.group}; loaded again in a "
        "process of its own and measured",
        f"{'':<9} {'weights':>10}  perplexity",
        *(f"{name:<9} {amount(size):>10}  {perplexity:10.4f}" for name, size, perplexity in rows),
        f"{done.protocol}, {done.dtype}",
        *([f"fitted to {done.fitted}"] if done.fitted is not None else []),
        *([GRID] if done.grid else []),
        f"transformers loads it where {NEEDED[rounder]} is installed",
    ]
    say(options.json, answer, "\n".join(lines))


# What plain transformers need to load such a folder.
NEEDED = {"auto-round": "auto-round", "gptqmodel": "gptqmodel with optimum", "bitsandbytes": "bitsandbytes"}
