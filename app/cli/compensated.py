"""Compensation and training after a cut on the command line: their options, and what is said of them."""

import argparse
from dataclasses import asdict
from typing import Any

from core.errors import SelectionError
from core.records.mends import COMPENSATIONS, Compensate, Compensation, Healing


def add_compensation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compensate",
        choices=COMPENSATIONS,
        default="none",
        help="after removing, change weights beside each cut, fitted on calibration text",
    )
    parser.add_argument("--fit", type=int, metavar="N", help="windows to fit it on (default: 12,288 tokens of them)")


def asked_compensation(options: argparse.Namespace) -> Compensate | None:
    """What the options ask for; SelectionError for windows of a fit that nobody asks for."""
    if options.compensate != "none":
        return Compensate(options.compensate, options.fit)
    if options.fit is not None:
        raise SelectionError(
            "--fit is of a compensation, and there is none.", "Add --compensate refit, scale or logits."
        )
    return None


def compensation_object(done: Compensation, perplexity: float) -> dict[str, Any]:
    """For --json: what was done, and the perplexity after it."""
    return {"perplexity": perplexity, **asdict(done)}


def compensation_text(done: Compensation, perplexity: float) -> str:
    """The same for people: each cut with the loss on sequences that its fit has not seen."""
    if not done.cuts:
        return f"\nnothing is removed, so that there is nothing to compensate: perplexity {perplexity:.4f}"
    lines = ["", f"after {done.how} at {done.accepted} of {len(done.cuts)} cuts: perplexity {perplexity:.4f}"]
    if not done.accepted:
        lines[-1] = f"{done.how} lowers the loss at no cut, and the plan stays plain: perplexity {perplexity:.4f}"
    for cut in done.cuts:
        layers = f"layer {cut.first}" if cut.first == cut.last else f"layers {cut.first} to {cut.last}"
        what = f"{'scalar' if done.how == 'scale' else 'ridge'} {cut.strength:.4g}"
        if not cut.strength:
            nothing = "no block behind it to scale" if done.how == "scale" else "no block before it to refit"
            lines.append(f"  {layers}: {nothing}, stays plain")
            continue
        verdict = "accepted" if cut.accepted else "not accepted, stays plain"
        lines.append(f"  {layers}: {what}, {cut.before:.4f} to {cut.after:.4f} nats a token, {verdict}")
    for number, step in enumerate(done.steps, 1):
        lines.append(
            f"  step {number} towards the whole model's predictions, {step.length:g} long: {step.before:.4f} to "
            f"{step.after:.4f} nats a token"
        )
    if done.how == "logits" and done.accepted and not done.steps:
        lines.append("  no step towards the whole model's predictions lowers the loss")
    lines.append(f"fitted on {done.fitted}; the last {done.held} of them decide and are not fitted on")
    return "\n".join(lines)


def healing_object(done: Healing, perplexity: float) -> dict[str, Any]:
    """For --json: what was trained on what, its readings, the step that was kept, and the perplexity after it."""
    return {"perplexity": perplexity, **asdict(done), "kept": done.kept.step}


def healing_text(done: Healing, perplexity: float) -> str:
    """The same for people: the perplexity of what is held out from reading to reading."""
    first, kept = done.readings[0], done.kept
    lines = [
        f"after {kept.step} of {done.steps} steps of training: perplexity {perplexity:.4f}, before {done.before:.4f}",
        f"  on {done.held} that are held out and decide: {first.perplexity:.4f} before, {kept.perplexity:.4f} kept",
        *(
            f"  step {one.step}: training loss {one.loss:.4f}, held out {one.perplexity:.4f}"
            for one in done.readings[1:]
        ),
        f"trained on {done.trained} of {done.text}",
    ]
    if not kept.step:
        lines[0] = f"training lowers the loss of what is held out at no step, and the model stays: {perplexity:.4f}"
    return "\n".join(lines)
