"""The GGUF file of an exported folder: written whole or not at all, checked, and named in the card and quorum.json."""

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from core.checkpoint.digests import digest
from core.checkpoint.gguf_header import GgufHeader, read_header
from core.errors import ExportError
from core.export.gguf.converter import PACKAGE, VERSION, convert
from core.export.recipes.recipe import COMMAND
from core.paths import write_errors
from core.records.events import Stage
from core.unfinished import unfinished

FILE = "model-f16.gguf"
HEADING = "\n## GGUF\n"
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"blk\.(\d+)\.")
_HALF = 1  # the format's type of float16


def write_gguf(folder: Path, blocks: int, tokens: int) -> Generator[Stage, None, Path]:
    """Writes the file beside the safetensors of a folder that is whole, or finds it there.

    Args:
        folder: what `export` has written.
        blocks: of its model.
        tokens: rows of its embedding.

    Raises:
        ToolError: the converter is not installed, cannot convert this model, or has failed.
        ExportError: what it has written is not the folder's model. In both cases the folder stays, without the file.
        NotWritable, DiskFull.
    """
    file = folder / FILE
    with write_errors(folder):
        entries = json.loads((folder / "quorum.json").read_text(encoding="utf-8"))
        card = (folder / "README.md").read_text(encoding="utf-8").split(HEADING)[0]
        known = entries.get("gguf")
        if isinstance(known, dict) and file.is_file() and digest(file) == known.get("sha256"):
            return file
        heading = _TITLE.search(card)
        with unfinished(file) as part:
            yield from convert(folder, heading[1] if heading else "model", part)
            _check(read_header(part), blocks, tokens)
        _mention(folder, entries, card)
    return file


def _check(header: GgufHeader, blocks: int, tokens: int) -> None:
    """ExportError where a file does not hold so many blocks and tokens, or numbers that float16 cannot hold."""
    values, kind = header.values, header.values.get("general.architecture")
    said = int(values.get(f"{kind}.block_count", 0)) - int(values.get(f"{kind}.nextn_predict_layers", 0))
    held = {found[1] for tensor in header.tensors if (found := _BLOCK.match(tensor.name))}
    if said != blocks or len(held) < blocks:
        raise _wrong(f"{said} blocks, of which {len(held)} have tensors, and not {blocks}")
    rows = next((tensor.shape[-1] for tensor in header.tensors if tensor.name == "token_embd.weight"), 0)
    listed = header.lists.get("tokenizer.ggml.tokens", 0)
    if not 0 < listed == rows <= tokens:
        raise _wrong(f"{listed:,} tokens and embeddings of {rows:,}, and not {tokens:,}")
    for tensor in header.tensors:
        if tensor.type == _HALF:
            weight = np.memmap(header.file, "<f2", "r", tensor.begin, (tensor.elements,))
            if not np.isfinite(weight).all():
                raise _wrong(f"numbers in {tensor.name} that float16 cannot hold")


def _wrong(found: str) -> ExportError:
    return ExportError(
        f"The GGUF file that {PACKAGE} {VERSION} has written holds {found}.",
        "The folder of safetensors is whole, and transformers loads it; please report this with the architecture.",
    )


def _mention(folder: Path, entries: dict[str, Any], card: str) -> None:
    """Says in the card, and last in quorum.json, what lies there."""
    file, command = folder / FILE, entries.pop("command", COMMAND)
    told = {"file": FILE, "type": "f16", "bytes": file.stat().st_size, "sha256": digest(file)}
    told["converter"] = f"{PACKAGE} {VERSION}"
    card += (
        f"{HEADING}\n`{FILE}` ({told['bytes']:,} bytes, SHA-256 `{told['sha256']}`) is the same model for llama.cpp "
        f"and what is built on it, written by {told['converter']}: matrices in float16, vectors in float32. The "
        "perplexities above are the safetensors'.\n"
    )
    origin = json.dumps({**entries, "gguf": told, "command": command}, indent=2) + "\n"
    for name, text in (("README.md", card), ("quorum.json", origin)):
        with unfinished(folder / name) as part:
            part.write_text(text, encoding="utf-8")
