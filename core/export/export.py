"""A smaller model on disk: blocks deleted, configuration mended, loaded again and measured again."""

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import GenerationConfig

from core.checkpoint.checkpoint import locate
from core.checkpoint.config import skeleton
from core.coalitions.players import computed, indexes, mask_without
from core.compensation.projections import Patches, patched
from core.errors import ExportError, TargetMissed
from core.evaluate.perplexity import perplexity
from core.evaluate.reference import check_finite, sequence_losses
from core.export.cache_layers import check_cache, is_stateful, last_attention
from core.export.card import Outcome, card
from core.export.carried import copy_generation, copy_terms
from core.export.copy_weights import as_stored, check_copying, write_weights
from core.export.delete_blocks import delete_blocks
from core.export.recipes.recipe import Recipe
from core.export.target import check_target, is_complete
from core.export.zero_sublayers import check_zeroing, is_halved, read_zeroed, save
from core.model.masked import missing_projections
from core.model.model import LoadedModel, load
from core.records.events import Exported
from core.records.mends import Compensation, Healing
from core.records.spec import Losses
from core.text.windows import Windows
from core.unfinished import unfinished


class Smaller(NamedTuple):
    """A model that was written and loaded again."""

    parameters: int
    losses: Losses  # of every sequence
    plain: Losses  # the same without compensation and training
    whole: Losses  # the whole model's


def export(
    loaded: LoadedModel,
    windows: Windows,
    recipe: Recipe,
    out: Path,
    *,
    uncached: bool = False,
    most: float | None = None,
    fit: tuple[Compensation | None, Patches] | None = None,
    healed: Healing | None = None,
) -> Smaller:
    """Writes the model without some players as a folder that plain `from_pretrained` loads.

    A block whose players are all removed is deleted. Of a block that loses one half, the output projection becomes
    zero, which is exact: that half adds nothing to the hidden state any more.
    The weights are copied as they were saved, from file to file. The folder appears under its name only when it is
    complete, and when its model, loaded again, has the losses of the masked (and compensated) one; that is the one copy
    in memory. One that an export of the same recipe has written before, stopped while it was timed, is loaded and
    measured again.

    Args:
        loaded: the model; left as found. Its files are copied from.
        windows: the text on which the two are compared.
        recipe: players to remove, and how they were found: for the model card and quorum.json, itself a recipe.
        out: a folder that does not exist, is empty, or was written so before.
        uncached: writes as well what generates without a cache alone, with settings that say so.
        most: how much higher the perplexity on `windows` may be, as a share of the whole model's.
        fit: the compensation that the recipe asks for, and the weights that change by it (core.compensation) and by
            training.
        healed: the training that the recipe asks for (core.healing).

    Raises:
        SelectionError, UnsupportedModel, EvaluationError, ExportError, NotWritable, DiskFull.
        TargetMissed: the perplexity is higher than that, and nothing is written.
    """
    out = check_target(out, recipe)
    mask = check_export(loaded, recipe, uncached)
    done, patches = fit or (None, {})
    where = loaded.checkpoint.folder, loaded.blocks.path, loaded.info.layers
    patches, stored = as_stored(*where, loaded.model, patches)
    whole, plain = (_finite(loaded, windows, one) for one in (np.ones_like(mask), mask))
    with patched(loaded.model, patches):
        wanted = _finite(loaded, windows, mask) if patches else plain
    _check_increase(whole, wanted, windows, most)
    if is_complete(recipe, out):
        return Smaller(*_verify(loaded, wanted, out, windows), plain, whole)
    with unfinished(out) as folder:
        folder.mkdir()
        _write(loaded, mask, folder, stored)
        parameters, losses = _verify(loaded, wanted, folder, windows)
        measured = perplexity(whole), perplexity(losses), parameters, perplexity(plain)
        outcome = Outcome(windows.protocol, *measured, done, healed)
        text = recipe.text(loaded.info, **asdict(outcome))
        (folder / "quorum.json").write_text(text, encoding="utf-8")
        licences = copy_terms(loaded.checkpoint.folder, folder)
        cached = not last_attention(loaded.checkpoint.config, computed(loaded.kept(mask)))
        text = card(loaded.info, recipe, outcome, licences, drafts=cached and not is_stateful(loaded.model))
        (folder / "README.md").write_text(text, encoding="utf-8")
    return Smaller(parameters, losses, plain, whole)


def check_export(loaded: LoadedModel, recipe: Recipe, uncached: bool) -> NDArray[np.bool_]:
    """The mask of a recipe whose model can be written, (players,).

    Raises:
        SelectionError, UnsupportedModel, ExportError.
    """
    mask = mask_without(loaded.info.players, recipe.removed)
    check_zeroing(loaded, loaded.kept(mask))
    check_copying(loaded.checkpoint.folder, loaded.blocks.path, loaded.info.layers, loaded.blocks.modules[0])
    left = computed(loaded.kept(mask))
    if not uncached:
        check_cache(loaded.checkpoint.config, left)
    delete_blocks(skeleton(loaded.checkpoint.config), loaded.blocks.path, left)
    return mask


def exported(
    loaded: LoadedModel,
    windows: Windows,
    recipe: Recipe,
    out: Path,
    smaller: Smaller,
    done: tuple[Compensation | None, Healing | None],
    took: tuple[float, float],
    gguf: Path | None = None,
) -> Exported:
    """What `export`, with the same arguments, has written and measured; `took`: seconds of a forward, whole and not."""
    removed, mask = indexes(loaded.info.players, recipe.removed), mask_without(loaded.info.players, recipe.removed)
    zeros = missing_projections(loaded, loaded.kept(mask), loaded.blocks.modules)
    return Exported(
        path=str(out),
        removed=removed,
        perplexity=perplexity(smaller.losses),
        protocol=windows.protocol,
        players=loaded.info.players,
        deleted=loaded.info.parameters - smaller.parameters,
        zeroed=sum(weight.numel() for module in zeros for weight in module.parameters()),
        whole=took[0],
        pruned=took[1],
        plain=perplexity(smaller.plain),
        compensation=done[0],
        healing=done[1],
        gguf=str(gguf or ""),
    )


def _finite(loaded: LoadedModel, windows: Windows, mask: NDArray[np.bool_]) -> Losses:
    """The loss of every window, or EvaluationError."""
    losses = sequence_losses(loaded, windows.ids, mask)
    check_finite(loaded, windows.ids, mask, losses)
    return losses


def _check_increase(whole: Losses, masked: Losses, windows: Windows, most: float | None) -> None:
    """TargetMissed where perplexity rises by a larger share than `most`."""
    increase = perplexity(masked) / perplexity(whole) - 1
    if most is not None and not increase <= most:
        raise TargetMissed(
            f"Perplexity rises by {increase:.1%}, from {perplexity(whole):.4g} to {perplexity(masked):.4g} "
            f"(measured on {windows.protocol}); at most {most:.1%} is accepted.",
            "Remove fewer layers, or search for better plans: select RUN.",
        )


def _write(loaded: LoadedModel, mask: NDArray[np.bool_], folder: Path, stored: Patches) -> None:
    parent, kept = loaded.checkpoint.folder, loaded.kept(mask)
    halved = is_halved(kept)
    model = read_zeroed(loaded, kept) if halved else skeleton(loaded.checkpoint.config)
    delete_blocks(model, loaded.blocks.path, computed(kept))
    config = model.config
    config.architectures = [type(model).__name__]
    if hasattr(config, "rescale_every"):  # as it was measured: see core.model.loading
        config.rescale_every = loaded.model.config.rescale_every
    vars(config).pop("auto_map", None)  # names code that does not go along
    uncached = bool(last_attention(loaded.checkpoint.config, computed(kept)))
    if uncached:
        config.get_text_config(decoder=True).use_cache = config.use_cache = False
    if halved:
        save(model, folder)
    else:
        config.save_pretrained(folder)
        write_weights(parent, folder, loaded.blocks.path, computed(kept), loaded.blocks.modules[0], changed=stored)
    settings = model.generation_config if model.can_generate() else None
    if copy_generation(parent, folder):
        settings = GenerationConfig.from_pretrained(folder) if uncached else None
    if settings is not None:
        settings.use_cache = settings.use_cache and not uncached
        settings.save_pretrained(folder)
    loaded.checkpoint.tokenizer.save_pretrained(folder)  # with its chat templates


def _verify(loaded: LoadedModel, masked: Losses, folder: Path, windows: Windows) -> tuple[int, Losses]:
    """The parameters and losses of what was written, loaded again; ExportError if they are not the `masked` ones."""
    exported = load(locate(str(folder)), loaded.info.dtype, loaded.device)
    losses = sequence_losses(exported, windows.ids, np.ones(len(exported.blocks), dtype=np.bool_))
    if not np.allclose(losses, masked, rtol=1e-3):
        raise ExportError(
            f"The exported model has perplexity {perplexity(losses):.4g}, the masked one {perplexity(masked):.4g}: the"
            f" forward of {loaded.info.architecture} does more for one of these layers than to call it.",
            "Remove other layers, and please report this with the architecture; nothing was left at the target.",
        )
    return exported.info.parameters, losses
