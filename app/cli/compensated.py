"""Compensation on the command line: its options, and what is said of it."""

import argparse
from dataclasses import asdict
from typing import Any

from core.records.mends import COMPENSATIONS, Compensate, Compensation


def add_compensation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compensate",
        choices=COMPENSATIONS,
        default="none",
        help="after removing, change weights beside each cut, fitted on calibration text",
    )
    parser.add_argument("--fit", type=int, metavar="N", help="windows to fit it on (default: 12,288 tokens of them)")


def asked_compensation(options: argparse.Namespace) -> Compensate | None:
    return None if options.compensate == "none" else Compensate(options.compensate, options.fit)


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
        what = f"{'ridge' if done.how == 'refit' else 'scalar'} {cut.strength:.4g}"
        if not cut.strength:
            lines.append(f"  {layers}: no block before it to refit, stays plain")
            continue
        verdict = "accepted" if cut.accepted else "not accepted, stays plain"
        lines.append(f"  {layers}: {what}, {cut.before:.4f} to {cut.after:.4f} nats a token, {verdict}")
    lines.append(f"fitted on {done.fitted}; the last {done.held} of them decide and are not fitted on")
    return "\n".join(lines)
