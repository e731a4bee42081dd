"""Blocks deleted from a model, so that the smaller model in memory is the one that its files will give.

The configuration is mended in every field that says something layer by layer, and then believed only as far as it goes:
a model without weights is built from what would be saved, and each of its blocks must be the block that was kept, part
by part. Numbers of blocks inside (`layer_idx`, `layer_id`, …), which caches go by, are taken from that model.
"""

import copy
import math
import re
from collections import defaultdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel
from transformers.initialization import no_init_weights

from core.checkpoint.config import reason
from core.errors import UnsupportedModel
from core.export.config_fields import mend
from core.export.quantised_names import renumber
from core.model.blocks import ENTRY

# A number of a block, by its name.
_NUMBER = re.compile("layer|idx|index")
_PLACE = re.compile("^layer_(idx|id|index)$")


def delete_blocks(model: PreTrainedModel, path: str, mask: NDArray[np.bool_]) -> None:
    """Deletes the blocks that `mask` does not keep from `model`, and mends its configuration.

    Args:
        model: changed in place. It may be on the meta device.
        path: dotted name of the list of blocks.
        mask: (layers,), True where a layer is kept; one at least is.

    Raises:
        UnsupportedModel: no configuration of this architecture gives the model that is left.
    """
    kept = [int(number) for number in np.flatnonzero(mask)]
    config = _config_of(model, path)
    if getattr(config, "scale_attn_by_inverse_layer_idx", False) and kept != list(range(len(kept))):
        raise _inexpressible(model, "each block divides its attention scores by its own number")
    parent_path, _, name = path.rpartition(".")
    blocks = model.get_submodule(path)
    assert isinstance(blocks, nn.ModuleList)  # find_blocks took it from there
    _move_entry(blocks, kept[0])
    setattr(model.get_submodule(parent_path), name, nn.ModuleList([blocks[number] for number in kept]))
    try:
        mend(config, mask)
        _rename_modules(model, path, kept)
        twin = _twin(model)
    except Exception as cause:  # whatever class an architecture's own checks of its configuration raise
        raise _inexpressible(model, f"transformers refuses its configuration: {reason(cause)}") from cause
    _compare_parts(model, twin, path, kept, len(mask))
    _compare_weights(model, twin)


def _config_of(model: PreTrainedModel, path: str) -> Any:
    """The part of a model's configuration that describes its blocks: that of the model inside which holds their list.

    A configuration of several models may call another of them its decoder, as BLT's does.
    """
    inside = [module for name, module in model.named_modules() if name and path.startswith(f"{name}.")]
    kinds = [type(module.config) for module in inside if isinstance(module, PreTrainedModel)]
    parts = [getattr(model.config, name, None) for name in model.config.sub_configs]
    return next(
        (part for part in parts if kinds and type(part) is kinds[-1]), model.config.get_text_config(decoder=True)
    )


def _move_entry(blocks: nn.ModuleList, first: int) -> None:
    """What only the first block has, and is no part of it, goes to the one that is first now: see core.model.blocks."""
    entry = getattr(blocks[0], ENTRY, None)
    if first and entry is not None:
        setattr(blocks[first], ENTRY, entry)


def _twin(model: PreTrainedModel) -> PreTrainedModel:
    """A model without weights from the configuration as it will be read again."""
    config = type(model.config).from_dict(copy.deepcopy(model.config.to_diff_dict()))
    with no_init_weights(), torch.device("meta"):
        twin: PreTrainedModel = type(model)(config)
        twin.tie_weights()
    return twin


def _rename_modules(model: PreTrainedModel, path: str, kept: list[int]) -> None:
    """Lets the settings of a quantisation name the modules by the numbers of their blocks as they are now."""
    settings = getattr(model.config, "quantization_config", None)
    if isinstance(settings, dict):
        model.config.quantization_config = renumber(settings, path, {old: new for new, old in enumerate(kept)})


def _compare_parts(model: PreTrainedModel, twin: PreTrainedModel, path: str, kept: list[int], layers: int) -> None:
    """Holds every module against the twin's, and takes over what depends on the number of a block or of all blocks."""
    numbers = {old: new for new, old in enumerate(kept)}
    twins = dict(twin.named_modules())
    for name, module in model.named_modules():
        if name not in twins:
            if not name.startswith(f"{path}.") and not module.state_dict():
                continue  # an embedding of positions that only blocks that are gone have used
            raise _inexpressible(model, f"the smaller model has no place for {name}")
        other = twins[name]
        if list(module.children()) and type(module) is not type(other):
            raise _inexpressible(
                model, f"{name} would be a {type(other).__name__} where a {type(module).__name__} is kept"
            )
        if isinstance(
            module, PreTrainedModel
        ):  # which names of weights mean the same one: numbers of blocks are in them
            module._tied_weights_keys = other._tied_weights_keys
            module.all_tied_weights_keys = other.all_tied_weights_keys
        for field, new in vars(other).items():
            old = vars(module).get(field, new)
            if field.startswith("_") or field == "training" or not (_plain(new) and _plain(old)) or _equal(old, new):
                continue
            inside = name.startswith(f"{path}.")
            renumbered = bool(_NUMBER.search(field)) and (
                _renumbered(old, numbers) == new
                or (inside and _place(field, old, new, name.removeprefix(f"{path}."), kept))
            )
            shortened = _counts(old, layers, inside) and _counts(new, len(kept), inside)
            if renumbered or shortened:
                setattr(module, field, new)
            elif inside:
                raise _inexpressible(model, f"{name}.{field} would be {new} where {old} is kept")


def _compare_weights(model: PreTrainedModel, twin: PreTrainedModel) -> None:
    """Every weight has its place in the twin, and the same ones are shared."""
    if getattr(model, "is_quantized", False):  # packed weights have other names and shapes than those of an empty model
        return
    ours, theirs = ({name: weight.shape for name, weight in one.state_dict().items()} for one in (model, twin))
    unlike = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    for name in unlike[:1]:
        if name in ours and name in theirs:
            raise _inexpressible(model, f"{name} would be {tuple(theirs[name])} where {tuple(ours[name])} is kept")
        raise _inexpressible(
            model, f"it would have no {name}" if name in ours else f"it would need {name}, which is not there"
        )
    if _shared(model) != _shared(twin):
        raise _inexpressible(model, "some blocks share weights, and others would share them after the deletion")


def _shared(model: PreTrainedModel) -> set[frozenset[str]]:
    """The names of each weight that has several."""
    names: dict[int, set[str]] = defaultdict(set)
    for name, weight in model.named_parameters(remove_duplicate=False):
        names[id(weight)].add(name)
    return {frozenset(found) for found in names.values() if len(found) > 1}


def _equal(old: Any, new: Any) -> bool:
    """Equal, or a number that was divided by another depth and is the same but for the last of its 64 bits."""
    if isinstance(old, float) and isinstance(new, float):
        return old == new or math.isclose(old, new, rel_tol=1e-14)
    return bool(old == new)


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(number) is int for number in value) and _plain(list(value.values()))
    if isinstance(value, list | tuple):
        return all(_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    """A number of a block, or several, or what is said of several by number, as it is after the deletion."""
    if isinstance(value, dict):
        return {numbers[number]: said for number, said in value.items() if number in numbers}
    if isinstance(value, list | tuple):
        return [numbers[number] for number in value if type(number) is int and number in numbers]
    return numbers.get(value) if type(value) is int else None


def _place(field: str, old: Any, new: Any, name: str, kept: list[int]) -> bool:
    """Whether a number is that of a place in the cache, of which each block has several, and moves with its block."""
    block = int(name.partition(".")[0])
    was = kept[block]
    if not _PLACE.search(field) or type(old) is not int or type(new) is not int or was == block:
        return False
    places, rest = divmod(old - new, was - block)
    return rest == 0 < places and old // places == was


def _counts(value: Any, layers: int, inside: bool) -> bool:
    """Whether a value says something of each layer, or outside of blocks is the number of them."""
    return (
        len(value) == layers
        if isinstance(value, list | tuple)
        else not inside and type(value) is int and value == layers
    )


def _inexpressible(model: PreTrainedModel, reason: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"{type(model).__name__} cannot be saved without these layers: {reason}.",
        "Remove other layers: those that are left must be a model that the architecture's configuration can describe.",
    )
