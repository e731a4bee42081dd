"""The command that writes a model in four bits, and says what that saves and costs."""

import argparse
from dataclasses import asdict

from app.cli.opening import quiet
from app.cli.terminal import returned, say
from app.requests import located
from core.checkpoint.memory import amount
from core.quantise.libraries import LIBRARIES
from core.quantise.quantised import GRID, Quantised
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
    say(options.json, asdict(done), "\n".join(quantised_lines(done)))


def quantised_lines(done: Quantised) -> list[str]:
    """What four bits save and cost, and what loads them."""
    rows = (("as it is", done.bytes_before, done.before), (f"{done.bits} bits", done.bytes_after, done.after))
    return [
        f"{done.path}: by {done.library} {done.version}, {done.method}, groups of {done.group}; loaded again in a "
        "process of its own and measured",
        f"{'':<9} {'weights':>10}  perplexity",
        *(f"{name:<9} {amount(size):>10}  {perplexity:10.4f}" for name, size, perplexity in rows),
        f"{done.protocol}, {done.dtype}",
        *([f"fitted to {done.fitted}"] if done.fitted is not None else []),
        *([GRID] if done.grid else []),
        f"transformers loads it where {LIBRARIES[done.library].loads} is installed",
    ]
