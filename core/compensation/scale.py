"""`scale`: what all later blocks add, divided by one number a cut; and the parameters through which it is divided.

Norms know no scale, so that this is the same as to multiply the hidden state at the cut (Prune&Comp, arXiv 2507.18212,
whose code multiplies what stands before it, the embedding too); blocks that do not read it through one are refused. A
part of a block, attention or MLP, is divided where what it adds is linear: in its output projection with the bias, also
behind a gate; in all experts at once, of whom some answer each token; or in the weight of a norm that follows.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_NORMED = 0.02  # what a norm's epsilon may do when the hidden state is twice as large, relatively
_TIMES = (8, 16, 24)  # so much more is added for a look, which stands out from what rounding does to the hidden state

Divisible = Mapping[int, tuple[str, ...]]  # names of parameters in the model, by block


def divisible(loaded: LoadedModel, blocks: Iterable[int]) -> Divisible:
    """The parameters of some blocks by whose division all that each of them adds is divided, confirmed by a forward.

    Args:
        blocks: any but the first, which is behind no cut, and may read the embedding without a norm.

    Raises:
        UnsupportedModel: quantised or offloaded weights, or a part of a block that is linear in none of its parameters,
            or depends on the size of the hidden state.
    """
    parts = parts_of(loaded)
    found: dict[int, tuple[str, ...]] = {}

    def look(block: int, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], __: Any) -> None:
        names: dict[str, None] = {}
        for part in parts[block]:
            with silenced(list(_ends(loaded, block, parts[block], part)), loaded.blocks.width):
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

    Args:
        ids: token ids (sequences, length).
        of: parameters of the blocks that stay.
        cut: removed blocks.
        patches: of earlier cuts, upon which this one is divided.
    """
    scale = growth(loaded, ids, cut.start, cut.stop)
    changed: Patches = {}
    with patched(loaded.model, patches):
        for block, names in of.items():
            if block >= cut.stop:
                changed |= divided(loaded, names, scale)
    return scale, changed


def _ends(loaded: LoadedModel, block: int, parts: Sequence[Part], but: Part) -> Iterator[nn.Module]:
    """What the other parts of a block end in."""
    for part in parts:
        for name in part.ends if part is not but else ():
            yield loaded.blocks.modules[block].get_submodule(name)


def _linear(loaded: LoadedModel, block: int, part: Part, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """The parameters of a part, by their names inside the block, in which together it is linear; the others silent."""
    module = loaded.blocks.modules[block]
    rounding = torch.finfo(loaded.model.dtype).eps ** 0.5 / 2  # half of the digits

    entered = hidden_of(args, kwargs)
    assert entered is not None  # find_blocks has seen every block receive one
    # Not the model's own state: in some of its channels it is so large that rounding takes away what is added.
    small = _SMALL * torch.randn(entered.shape, generator=torch.Generator().manual_seed(0)).to(entered)

    def added(names: Iterable[str], times: int, size: int = 1) -> torch.Tensor:
        hidden = size * small
        given = ((hidden, *args[1:]), kwargs) if args else ((), {**kwargs, "hidden_states": hidden})
        with patched(module, {name: module.get_parameter(name) * times for name in names}):
            output = loaded.blocks.hidden_in(module.forward(*given[0], **given[1]))
        return (output - loaded.blocks.skip(block, hidden).to(output.device)).float()

    def is_bent(name: str) -> bool:
        less, middle, more = (added([name], times) for times in _TIMES)
        return bool((less + more - 2 * middle).norm() > rounding * more.norm())

    def is_silent(names: Sequence[str]) -> bool:
        return not added(names, 0).any()

    def needed(names: list[str]) -> list[str]:
        """Those of them that have to be zero for the part to add nothing, and all that are kept from the start."""
        for name in names[:]:
            if name not in plain and is_silent([other for other in names if other != name]):
                names.remove(name)
        return names

    def is_divided(names: Sequence[str]) -> bool:
        less, more, longer = added(names, _TIMES[0]), added(names, _TIMES[1]), added(names, _TIMES[1], size=2)
        if (longer - more).norm() > max(rounding, _NORMED) * more.norm():
            raise refused(loaded, f"what the {part.name} of block {block} adds depends on its input's size", "scale")
        return bool((more / _TIMES[1] - less / _TIMES[0]).norm() <= rounding * more.norm() / _TIMES[1])

    modules = {end: module.get_submodule(end) for end in part.ends}
    ends = {f"{end}.{name}": one for end, one in modules.items() for name, _ in one.named_parameters()}
    # Of a projection it is all: a bias of zeros too, and of a list of experts those whom no token went to.
    plain = {name for name, one in ends.items() if isinstance(one, nn.Linear | Conv1D)}
    thin = [name for name, value in module.named_parameters() if value.dim() == 1 and name not in ends]
    for some in (list(ends), thin):
        names = [name for name in some if name in plain or not is_bent(name)]
        if is_silent(names) and is_divided(names := needed(names)):
            return names
    raise refused(loaded, f"what the {part.name} of block {block} adds is linear in no parameters found", "scale")
