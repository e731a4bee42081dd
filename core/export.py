"""A smaller model on disk: blocks deleted, configuration mended, loaded again and measured again."""

import errno
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import GENERATION_CONFIG_NAME

from core.card import Measured, card
from core.checkpoint import locate
from core.configuration import skeleton
from core.errors import ExportError
from core.events import Exported
from core.losses import perplexity
from core.masks import without
from core.model import LoadedModel, load
from core.paths import user_path, write_errors
from core.players import computed, indexes, mask_without
from core.playing import missing_projections
from core.reading import read_weights
from core.recipe import Recipe
from core.reference import sequence_losses
from core.surgery import delete_blocks
from core.timing import seconds
from core.types import Losses
from core.weights import SHARD, write_weights
from core.windows import Windows

# What files with the terms of a model are called, and how long they may be, in bytes.
_TERMS, _LONGEST_TERMS = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "USE_POLICY"), 2**20


def check_target(out: Path) -> Path:
    """The absolute path of a folder that export may create, or ExportError."""
    out = user_path(out).resolve()
    with write_errors(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ExportError(f"{out} exists already.", "Choose a new folder with --out DIR.")
        out.parent.mkdir(parents=True, exist_ok=True)
        _unfinished(out).rmdir()
    return out


def export(loaded: LoadedModel, windows: Windows, recipe: Recipe, out: Path) -> Losses:
    """Writes the model without some players as a folder that plain `from_pretrained` loads.

    A block whose players are all removed is deleted. Of a block that loses one half, the output projection becomes
    zero, which is exact: that half adds nothing to the hidden state any more.
    The weights are copied as they were saved, from file to file. The folder appears under its name only when it is
    complete, and when its model, loaded again, has the losses of the masked one; that is the one copy in memory.

    Args:
        loaded: the model; left as found. Its files are copied from.
        windows: the text on which the two are compared.
        recipe: players to remove, and how they were found: for the model card and quorum.json, itself a recipe.
        out: a folder that does not exist, or is empty.

    Returns:
        The exported model's loss on every sequence.

    Raises:
        SelectionError, ExportError, NotWritable, DiskFull.
    """
    out = check_target(out)
    mask = mask_without(loaded.info.players, recipe.removed)
    _check_halves(loaded, mask)
    dense = perplexity(sequence_losses(loaded, windows.ids, np.ones_like(mask)))
    with write_errors(out):
        unfinished = _unfinished(out)
        try:
            _write(loaded, mask, unfinished)
            parameters, losses = _verify(loaded, mask, unfinished, windows)
            measured = Measured(windows.protocol, dense, perplexity(losses), parameters)
            text = recipe.text(loaded.info, **asdict(measured))
            (unfinished / "quorum.json").write_text(text, encoding="utf-8")
            licences = _copy_licences(loaded.checkpoint.folder, unfinished)
            text = card(loaded.info, recipe, measured, licences)
            (unfinished / "README.md").write_text(text, encoding="utf-8")
            if out.exists():
                out.rmdir()
            unfinished.rename(out)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return losses


def exported(loaded: LoadedModel, windows: Windows, recipe: Recipe, out: Path, losses: Losses) -> Exported:
    """What `export`, with the same arguments, has written and measured; and how fast it is, on the first window."""
    removed = indexes(loaded.info.players, recipe.removed)
    mask = without(len(loaded.info.players), removed)
    zeros = missing_projections(loaded, loaded.kept(mask), loaded.blocks.modules)
    whole, pruned = seconds(loaded, windows.ids[:1], mask)
    return Exported(
        path=str(out),
        removed=removed,
        perplexity=perplexity(losses),
        protocol=windows.protocol,
        players=loaded.info.players,
        deleted=loaded.info.parameters - loaded.parameters_without(removed),
        zeroed=sum(weight.numel() for module in zeros for weight in module.parameters()),
        whole=whole,
        pruned=pruned,
    )


def _write(loaded: LoadedModel, mask: NDArray[np.bool_], folder: Path) -> None:
    parent, kept = loaded.checkpoint.folder, loaded.kept(mask)
    halved = _halved(kept)
    model = _silent(loaded, kept) if halved else skeleton(loaded.checkpoint.config)
    delete_blocks(model, loaded.blocks.path, computed(kept))
    config = model.config
    config.architectures = [type(model).__name__]
    if hasattr(config, "rescale_every"):  # as it was measured: see core.reading
        config.rescale_every = loaded.model.config.rescale_every
    vars(config).pop("auto_map", None)  # names code that does not go along
    if halved:
        _save(model, folder)
    else:
        config.save_pretrained(folder)
        write_weights(parent, folder, loaded.blocks.path, computed(kept))
    if (parent / GENERATION_CONFIG_NAME).is_file():
        shutil.copyfile(parent / GENERATION_CONFIG_NAME, folder / GENERATION_CONFIG_NAME)
    elif model.can_generate():
        model.generation_config.save_pretrained(folder)
    loaded.checkpoint.tokenizer.save_pretrained(folder)  # with its chat templates


def _save(model: PreTrainedModel, folder: Path) -> None:
    try:
        model.save_pretrained(folder, max_shard_size=SHARD)
    except NotImplementedError as cause:
        raise ExportError(
            "transformers cannot save these quantised weights again.",
            "Remove whole layers, whose weights are copied as they are; or export the version that is not quantised.",
        ) from cause
    except SafetensorError as cause:  # it keeps the system's error as text only
        raise OSError(errno.ENOSPC if "os error 28" in str(cause) else errno.EIO, str(cause)) from cause


def _check_halves(loaded: LoadedModel, mask: NDArray[np.bool_]) -> None:
    """Zeros are written into plain weights in memory; ExportError for others, before anything is measured."""
    if _halved(loaded.kept(mask)) and (loaded.info.quantisation or loaded.offloaded):
        why = f"quantised ({loaded.info.quantisation})" if loaded.info.quantisation else "partly on the disk"
        raise ExportError(
            f"Half of a layer is removed by zeros in its weights, and those of {loaded.info.source} are {why}.",
            "Remove whole layers, or use the model's version that is not quantised, on a device that has room for it.",
        )


def _halved(kept: NDArray[np.bool_]) -> bool:
    """Whether a block that stays has lost one half, by `kept` (layers, 2)."""
    return bool((kept.any(axis=1) & ~kept.all(axis=1)).any())


def _silent(loaded: LoadedModel, kept: NDArray[np.bool_]) -> PreTrainedModel:
    """The model, read once more, with zeros in the output projections of halves that are gone from blocks that stay."""
    model = read_weights(loaded.checkpoint, "auto")
    blocks = model.get_submodule(loaded.blocks.path)
    assert isinstance(blocks, nn.ModuleList)  # find_blocks took it from there
    with torch.no_grad():
        for module in missing_projections(loaded, kept, tuple(blocks)):
            for weight in module.parameters():
                weight.zero_()
    return model


def _copy_licences(parent: Path, folder: Path) -> list[str]:
    """Copies the files that state the terms of the parent, and tells their names."""
    found = [
        file
        for file in sorted(parent.iterdir())
        if file.is_file() and file.name.upper().startswith(_TERMS) and file.stat().st_size <= _LONGEST_TERMS
    ]
    for file in found:
        shutil.copyfile(file, folder / file.name)
    return [file.name for file in found]


def _verify(loaded: LoadedModel, mask: NDArray[np.bool_], folder: Path, windows: Windows) -> tuple[int, Losses]:
    """The parameters and losses of what was written, loaded again; ExportError if it is not the masked model."""
    masked = sequence_losses(loaded, windows.ids, mask)
    exported = load(locate(str(folder)), loaded.info.dtype, loaded.device)
    losses = sequence_losses(exported, windows.ids, np.ones(len(exported.blocks), dtype=np.bool_))
    if not np.allclose(losses, masked, rtol=1e-3, equal_nan=True):
        raise ExportError(
            f"The exported model has perplexity {perplexity(losses):.4g}, the masked one {perplexity(masked):.4g}.",
            f"Please report this with the architecture, {loaded.info.architecture}; nothing was left at the target.",
        )
    return exported.info.parameters, losses


def _unfinished(out: Path) -> Path:
    """A new folder beside `out`, readable like any other."""
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    folder.chmod(0o755)
    return folder
