"""A smaller model on disk: blocks deleted, configuration mended, loaded again and measured again."""

import errno
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedModel

from core.errors import ExportError
from core.losses import perplexity
from core.masks import without
from core.model import LoadedModel, load, locate
from core.paths import user_path, write_errors
from core.reference import sequence_losses
from core.types import OFFLOAD, Losses
from core.weights import read_weights
from core.windows import Windows

# Lists that happen to be as long as the model is deep, and say nothing of its layers.
_NOT_PER_LAYER = {"architectures", "eos_token_id", "pad_token_id", "bos_token_id"}


def check_target(out: Path) -> Path:
    """The absolute path of a folder that export may create, or ExportError."""
    out = user_path(out).resolve()
    with write_errors(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ExportError(f"{out} exists already.", "Choose a new folder with --out DIR.")
        out.parent.mkdir(parents=True, exist_ok=True)
        _unfinished(out).rmdir()
    return out


def export(loaded: LoadedModel, windows: Windows, removed: Sequence[int], out: Path, run: str) -> Losses:
    """Writes the model without some layers as a folder that plain `from_pretrained` loads.

    The weights keep the dtype in which the model was saved. The folder appears under its name only when it is complete,
    and when its model, loaded again, has the losses of the masked one.

    Args:
        loaded: the model; left as found. Its files are read again.
        windows: the text on which the two are compared.
        removed: layers to delete.
        out: a folder that does not exist, or is empty.
        run: named in quorum.json, the file that tells where the model came from.

    Returns:
        The exported model's loss on every sequence.

    Raises:
        SelectionError, ExportError, NotWritable, DiskFull.
    """
    out = check_target(out)
    mask = without(len(loaded.blocks), removed)
    with write_errors(out):
        unfinished = _unfinished(out)
        try:
            _write(loaded, mask, unfinished)
            losses = _verify(loaded, mask, unfinished, windows)
            origin = {
                "run": run,
                "parent": asdict(loaded.info),
                "removed": sorted(removed),
                "protocol": asdict(windows.protocol),
                "perplexity": perplexity(losses),
            }
            (unfinished / "quorum.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
            if out.exists():
                out.rmdir()
            unfinished.rename(out)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return losses


def delete_blocks(model: PreTrainedModel, path: str, mask: NDArray[np.bool_]) -> None:
    """Deletes the blocks that `mask` does not keep from `model`, and mends its configuration.

    Args:
        model: changed in place.
        path: dotted name of the list of blocks.
        mask: (layers,).
    """
    parent_path, _, name = path.rpartition(".")
    parent = model.get_submodule(parent_path)
    blocks = model.get_submodule(path)
    assert isinstance(blocks, nn.ModuleList)  # find_blocks took it from there
    setattr(parent, name, nn.ModuleList([block for block, kept in zip(blocks, mask, strict=True) if kept]))
    config = model.config.get_text_config()
    for field, value in list(vars(config).items()):
        if isinstance(value, list | tuple) and len(value) == len(mask) and field not in _NOT_PER_LAYER:
            setattr(config, field, [item for item, kept in zip(value, mask, strict=True) if kept])
    config.num_hidden_layers = int(mask.sum())


def _write(loaded: LoadedModel, mask: NDArray[np.bool_], folder: Path) -> None:
    model = read_weights(loaded.checkpoint, "auto", OFFLOAD if loaded.offloaded else "cpu")
    delete_blocks(model, loaded.blocks.path, mask)
    try:
        model.save_pretrained(folder)
    except NotImplementedError as cause:
        raise ExportError(
            f"transformers cannot save weights that are quantised with {loaded.info.quantisation} again.",
            "Export from the model's version that is not quantised: the same layers can be removed there.",
        ) from cause
    except SafetensorError as cause:  # it keeps the system's error as text only
        raise OSError(errno.ENOSPC if "os error 28" in str(cause) else errno.EIO, str(cause)) from cause
    loaded.checkpoint.tokenizer.save_pretrained(folder)


def _verify(loaded: LoadedModel, mask: NDArray[np.bool_], folder: Path, windows: Windows) -> Losses:
    masked = sequence_losses(loaded, windows.ids, mask)
    exported = load(locate(str(folder)), loaded.info.dtype, loaded.device)
    losses = sequence_losses(exported, windows.ids, np.ones(len(exported.blocks), dtype=np.bool_))
    if not np.allclose(losses, masked, rtol=1e-3, equal_nan=True):
        raise ExportError(
            f"The exported model has perplexity {perplexity(losses):.4g}, the masked one {perplexity(masked):.4g}.",
            f"Please report this with the architecture, {loaded.info.architecture}; nothing was left at the target.",
        )
    return losses


def _unfinished(out: Path) -> Path:
    """A new folder beside `out`, readable like any other."""
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    folder.chmod(0o755)
    return folder
