"""`scale`: what all later blocks add, divided by one number a cut; and the parameters through which it is divided.

Norms know no scale, so that this is the same as to multiply the hidden state at the cut (Prune&Comp, arXiv 2507.18212,
whose code multiplies what stands before it, the embedding too); blocks that do not read it through one are refused. A
part of a block, attention or MLP, is divided where what it adds is linear: in its output projection with the bias, also
behind a gate; in all experts at once, of whom some answer each token; or in the weight of a norm that follows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from core.compensation.hidden_states import growth
from core.compensation.projections import Part, Patches, parts_of, patched, refused
from core.model.blocks import hidden_of, probe_ids
from core.model.model import LoadedModel
from core.model.sublayers import silenced

_SMALL = 0.1  # the size of a hidden state for a look; the epsilon of a norm is far less
_TIMES = (8, 16, 24)  # so much more is added for a look, which stands out from what rounding does to the hidden state
_LARGER = 16  # times; a power of two, which no rounding notices
_EPSILON = 0.02  # what the epsilon of a norm may do to that, relatively

Divisible = Mapping[int, tuple[str, ...]]  # names of parameters in the model, by block


def divisible(loaded: LoadedModel, blocks: Iterable[int]) -> Divisible:
    """The parameters of some blocks by whose division all that each of them adds is divided, confirmed by a forward.

    Args:
        blocks: any but the first, which is behind no cut, and may read the embedding without a norm.

    Raises:
        UnsupportedModel: quantised or offloaded weights; blocks that add in another way, depend on the size of the
            hidden state or are linear in none of their parameters; or weights that are used elsewhere, too.
    """
    parts = parts_of(loaded)
    found: dict[int, tuple[str, ...]] = {}

    def look(block: int, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], __: Any) -> None:
        names: dict[str, None] = {}
        for part in parts[block]:
            others = [end for other in parts[block] if other is not part for end in other.ends]
            modules = [loaded.blocks.modules[block].get_submodule(end) for end in others]
            with silenced(modules, loaded.blocks.width):
                names |= dict.fromkeys(_linear(loaded, block, part, args, kwargs))
        found[block] = tuple(f"{loaded.blocks.path}.{block}.{name}" for name in names)

    with ExitStack() as hooked, torch.inference_mode():
        for block in blocks:
            module = loaded.blocks.modules[block]
            hooked.callback(module.register_forward_hook(partial(look, block), with_kwargs=True).remove)
        loaded.model.base_model(input_ids=probe_ids(loaded.model)[None], use_cache=False)
    uses = Counter(value for _, value in loaded.model.named_parameters(remove_duplicate=False))
    if any(uses[loaded.model.get_parameter(name)] > 1 for names in found.values() for name in names):
        raise refused(loaded, "some weights through which blocks add are used elsewhere, too", "scale")
    return found


def divided(loaded: LoadedModel, names: Iterable[str], by: float) -> Patches:
    """Parameters divided by a number."""
    own = ((name, loaded.model.get_parameter(name).detach()) for name in names)
    return {name: (value.float() / by).to(value.dtype) for name, value in own}


def scaled(
    loaded: LoadedModel, ids: torch.Tensor, of: Divisible, cut: range, patches: Patches
) -> tuple[float, Patches]:
    """How much larger the hidden state is behind a cut than before it, and all later blocks, which then add less.

    Where there are none, 0.

    Args:
        ids: token ids (sequences, length).
        of: parameters of the blocks that stay.
        cut: removed blocks.
        patches: of earlier cuts, upon which this one is divided.
    """
    if all(block < cut.stop for block in of):
        return 0.0, {}
    scale = growth(loaded, ids, cut.start, cut.stop)
    changed: Patches = {}
    with patched(loaded.model, patches):
        for block, names in of.items():
            if block >= cut.stop:
                changed |= divided(loaded, names, scale)
    return scale, changed


def _linear(loaded: LoadedModel, block: int, part: Part, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """The parameters of a part, by their names inside the block, in which together it is linear; the others silent."""
    module = loaded.blocks.modules[block]
    entered = hidden_of(args, kwargs)
    assert entered is not None  # find_blocks has seen every block receive one
    # Not the model's own state: in some of its channels it is so large that rounding takes away what is added.
    small = _SMALL * torch.randn(entered.shape, generator=torch.Generator().manual_seed(0)).to(entered)

    def added(names: Iterable[str], times: int, size: int = 1) -> torch.Tensor:
        """What the part adds to the small state, `size` times as large, while some parameters are multiplied."""
        hidden = size * small
        given = ((hidden, *args[1:]), kwargs) if args else ((), {**kwargs, "hidden_states": hidden})
        with patched(module, {name: module.get_parameter(name) * times for name in names}):
            output = loaded.blocks.hidden_in(module.forward(*given[0], **given[1]))
        return (output - loaded.blocks.skip(block, hidden).to(output.device)).float()

    def is_bent(name: str) -> bool:
        less, middle, more = (added([name], times) for times in _TIMES)
        digits = torch.finfo(loaded.model.dtype).eps ** 0.5  # half of them
        return bool((less + more - 2 * middle).norm() > digits / 2 * more.norm())

    def is_silent(names: Iterable[str]) -> bool:
        return not added(names, 0).any()

    def is_multiple(names: Iterable[str]) -> bool:
        """Whether a larger state and larger weights give a larger output, by as much, as most tokens have it.

        Not all: where two experts are nearly as likely, a norm's epsilon decides between them.
        """
        once, larger = added(names, 1, _LARGER), added(names, _LARGER, _LARGER**2) / _LARGER
        return bool((larger - once).norm(dim=-1).median() <= _EPSILON * once.norm(dim=-1).median())

    ends = {
        f"{end}.{name}": isinstance(module.get_submodule(end), nn.Linear | Conv1D)
        for end in part.ends
        for name, _ in module.get_submodule(end).named_parameters()
    }
    norms = [name for name, value in module.named_parameters() if value.dim() == 1 and name not in ends]
    for some in (ends, norms):
        # Of a projection it is all: a bias of zeros too, and of a list of experts those whom no token went to.
        names = [name for name in some if ends.get(name) or not is_bent(name)]
        if not is_silent(names):
            continue
        for name in names[:]:  # of experts in one tensor, their way in; and norms that do not follow
            others = [other for other in names if other != name]
            if not ends.get(name) and is_silent(others):
                names = others
        if is_multiple(names):
            return names
    what = f"what the {part.name} of block {block} adds"
    raise refused(loaded, f"{what} is linear in no parameters found, or depends on its input's size", "scale")
