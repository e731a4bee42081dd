"""What a folder in four bits says of itself: what was measured, a card, and the recipe of what it was made of."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core import __version__
from core.checkpoint.memory import amount
from core.errors import QuorumError
from core.export.gguf.written import HEADING
from core.export.recipes.recipe_file import read_recipe
from core.files import content_of, json_of
from core.paths import own_name
from core.quantise.libraries import LIBRARIES
from core.quantise.quantised import GRID, TOLD, Quantised
from core.records.mends import FourBits

RECIPE, CARD = "quorum.json", "README.md"
_LONGEST = 2**20  # bytes of a card
_FRONT = re.compile(r"---\n(.*?\n)---\n(.*)", re.DOTALL)


def write_records(parent: Path, folder: Path, done: Quantised, asked: FourBits, licences: Sequence[str]) -> None:
    """Writes them; of a parent that Quorum has exported the recipe goes on with the bits, and the card with its own.

    Args:
        parent: the folder that was rounded.
        folder: what was written.
        done: what was measured of both.
        asked: how it was rounded.
        licences: names of the parent's licence files, which lie beside the card.
    """
    told = {key: value for key, value in asdict(done).items() if key != "path"}
    (folder / TOLD).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    exported = _exported(parent)
    if exported is not None:
        bits = asdict(replace(asked, asked=replace(asked.asked, model="", corpus=own_name(asked.asked.corpus))))
        entries = {**exported[0], "bits": bits}
        entries.pop("gguf", None)  # a file that lies beside the parent
        (folder / RECIPE).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(_card(done, exported[1] if exported else "", licences), encoding="utf-8")


def _exported(folder: Path) -> tuple[dict[str, Any], str] | None:
    """What a folder's recipe holds, and its card, if it has both as exports do; anybody may have written them."""
    try:
        read_recipe(folder / RECIPE)
        entries, card = json_of(folder / RECIPE), content_of(folder / CARD, _LONGEST).decode("utf-8")
    except (QuorumError, OSError, ValueError):  # of a link, another encoding, too long
        return None
    return entries, card


def _card(done: Quantised, parent: str, licences: Sequence[str]) -> str:
    """The card; of the parent's all but what it says of a GGUF file follows."""
    front, rest = ["library_name: transformers", "tags:", "- quorum"], ""
    if found := _FRONT.fullmatch(parent.split(HEADING)[0]):
        front, rest = found[1].splitlines(), re.sub(r"^#", "##", found[2], flags=re.MULTILINE)
    terms = f"The parent's terms apply: {', '.join(licences)}." if licences else "The parent's licence applies."
    return "\n".join(
        [
            "---",
            *front,
            "---",
            "",
            f"# {done.model} in four bits",
            "",
            f"Made with Quorum {__version__} by {done.library} {done.version}: {done.method}, groups of {done.group}. "
            f"transformers loads it where {LIBRARIES[done.library].loads} is installed.",
            "",
            "| | before | this model |",
            "| --- | --- | --- |",
            f"| weights on disk | {amount(done.bytes_before)} | {amount(done.bytes_after)} |",
            f"| perplexity | {done.before:.3f} | {done.after:.3f} |",
            "",
            f"- Both were loaded anew in a process of their own and measured in {done.dtype} on {done.protocol}.",
            *([f"- Fitted to {done.fitted}."] if done.fitted is not None else []),
            *([f"- {GRID}"] if done.grid else []),
            f"- {terms}",
            "",
            rest.lstrip("\n"),
        ]
    )
