"""`scale`: what all later blocks add, divided by one number a cut; and the parameters through which it is divided.

Norms know no scale, so that this is the same as to multiply the hidden state at the cut (Prune&Comp, arXiv 2507.18212,
whose code multiplies what stands before it, the embedding too); blocks that do not read it through one are refused. A
part of a block, attention or MLP, is divided where what it adds is linear: in its output projection with the bias, also
behind a gate; in all experts at once, of whom some answer each token; or in the weight of a norm that follows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import nn

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
    own = [loaded.model.get_parameter(name) for names in found.values() for name in names]
    if len(set(own)) < len(own):
        raise refused(loaded, "some blocks share the weights through which they add")
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

    def looked_at(name: str) -> tuple[bool, bool]:
        """Whether it changes what is added, and whether that is no straight line."""
        less, middle, more = (added([name], times) for times in _TIMES)
        change = (more - less).norm()
        return bool(change > 0), bool((less + more - 2 * middle).norm() > rounding * change)

    def is_divided(names: Sequence[str]) -> bool:
        once, twice = (added(names, times) for times in _TIMES[:2])
        return bool((twice - 2 * once).norm() <= rounding * twice.norm())

    def confirmed(names: list[str]) -> list[str]:
        once, twice, longer = added(names, 8), added(names, 16), added(names, 16, size=2)
        if (longer - twice).norm() > max(rounding, _NORMED) * twice.norm():
            raise refused(
                loaded, f"what the {part.name} of block {block} adds depends on how large the hidden state is"
            )
        return names if (twice - 2 * once).norm() <= rounding * twice.norm() else []

    ends = [f"{end}.{name}" for end in part.ends for name, _ in module.get_submodule(end).named_parameters()]
    # With those that change nothing now: a bias of zeros, an expert whom no token went to.
    own = [name for name in ends if not looked_at(name)[1]]
    thin = [name for name, value in module.named_parameters() if value.dim() == 1 and name not in ends]
    found = confirmed(own) or confirmed([name for name in thin if looked_at(name) == (True, False)])
    if not found:
        raise refused(loaded, f"what the {part.name} of block {block} adds is linear in no parameters that were found")
    return found
