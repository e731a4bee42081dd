"""The table of kinds in docs/models.md, from what `python -m benchmarks.families` has written down."""

import json
import re
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results.json"


def table() -> str:
    """The rows, in Markdown: what is proved first, then what is refused and why, then what could not be built."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = sorted((_order(of_kind), kind, *_cells(of_kind)) for kind, of_kind in found.items())
    lines = [f"| {' | '.join(row[1:])} |" for row in rows]
    return "\n".join(["| kind | coalitions | export |", "| --- | --- | --- |", *lines])


def _order(found: dict[str, Any]) -> int:
    if found.get("exports"):
        return 0
    return 1 if "coalitions" in found else 2


def _cells(found: dict[str, Any]) -> tuple[str, str]:
    if "failed" in found:
        return f"WRONG: {_reason(found['failed'])}", ""
    if "unbuilt" in found:
        return f"not tried: transformers builds no small model of it here: {_reason(found['unbuilt'])}", ""
    if "exports" not in found:
        return f"refused: {_reason(found['coalitions'])}", "refused"
    answers = list(found["exports"].values())
    exact = [answer for answer in answers if answer.startswith("exact")]
    refused = next((_reason(answer) for answer in answers if not answer.startswith("exact")), "")
    verdict = "exact" if not refused else "in part: " + refused if exact else "refused: " + refused
    note = next((answer.partition("; ")[2] for answer in exact if ";" in answer), "")
    return found["coalitions"], verdict + (f"; {_NOTES[note]}" if note else "")


_NOTES = {
    "to rounding": "to rounding, since some sums are taken in another order",
    "no cache": "generation with a cache fails or differs, and the whole model's does not on the same text",
    "no cache, nor the whole model": "generation with a cache fails or differs, as the whole model's does",
}


def _reason(message: str) -> str:
    """A message without the name of its class and of the model's, on one line."""
    text = re.sub(r"^\w+: (\w+ cannot be (saved without these layers|taken apart): )?", "", message)
    return " ".join(text.split()).replace("|", "\\|").rstrip(".")
