"""The two halves of a block, found by looking and confirmed by forwards: its mixer (attention) and its MLP.

A half is switched off by letting its output projection answer zero: what it would have added to the hidden state is
then nothing, whatever the block does around it (parallel halves, norms behind them, a residual that is added inside).
No table of architectures: candidates are all matrices of a block whose answers are as wide as the hidden state; with
all of them at zero the block must return its input to the last bit, and those that this does not need are let go.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from core.errors import UnsupportedModel
from core.model.blocks import Blocks, hidden_of, probe_ids
from core.model.skipping import replaced

# What an MLP of experts is called that stands beside another one; by its calls alone it could be a second mixer.
_MLP = re.compile("mlp|moe|expert|feed_forward")

# Matrices that are at zero together, by their names inside the block; several where there is a list of experts.
Group = tuple[str, ...]


@dataclass(frozen=True)
class Halves:
    """One block's output projections, by their names inside the block."""

    mixer: Group
    mlp: Group
    mlp_children: tuple[str, ...]  # of the block; parameters in no one of them count as the mixer's
    width: int  # of the hidden state

    def of(self, half: int) -> Group:
        """The projections of half 0, the mixer, or 1, the MLP."""
        return self.mlp if half else self.mixer


def silenced(modules: Sequence[nn.Module], width: int) -> AbstractContextManager[None]:
    """Lets output projections answer zero, (..., width), without multiplying."""

    def zero(*args: Any, **kwargs: Any) -> torch.Tensor:
        hidden: torch.Tensor = args[0] if args else next(iter(kwargs.values()))
        return hidden.new_zeros((*hidden.shape[:-1], width))

    return replaced([(module, zero) for module in modules])


def find_halves(model: PreTrainedModel, blocks: Blocks) -> tuple[Halves, ...]:
    """The halves of every block. The model is left as found.

    Raises:
        UnsupportedModel: a block does not consist of a mixer and an MLP that add to the hidden state.
    """
    width, candidates = _candidates(model, blocks)
    for index, of_block in enumerate(candidates):
        if len({_unit(group) for group in of_block}) < 2:
            raise _unsupported(model, f"block {index} is one mixer, and has no attention and MLP that can go alone")
    found = _needed(model, blocks, candidates, width)
    return tuple(_halves(block, left, width) for block, left in zip(blocks.modules, found, strict=True))


def find_single(model: PreTrainedModel, blocks: Blocks) -> tuple[Group, ...]:
    """Of blocks that are one mixer (Mamba): the matrices through which each adds, by their names inside the block.

    Raises:
        UnsupportedModel: a block adds to the hidden state in another way.
    """
    width, candidates = _candidates(model, blocks)
    return tuple(tuple(name for group in left for name in group) for left in _needed(model, blocks, candidates, width))


def _needed(model: PreTrainedModel, blocks: Blocks, candidates: list[list[Group]], width: int) -> list[list[Group]]:
    """Of each block's candidates, those that have to be zero for it to return its input."""
    found = candidates
    for index, enough in enumerate(_return_their_input(model, blocks, found, width)):
        if not enough:
            raise _unsupported(
                model, f"block {index} changes the hidden state by more than what its matrices add to it"
            )
    for step in range(max(map(len, candidates))):
        # All blocks in one forward: whether a block returns its input does not depend on the others.
        less = [_without(left, every, step) for left, every in zip(found, candidates, strict=True)]
        enough_left = _return_their_input(model, blocks, less, width)
        found = [few if enough else left for few, enough, left in zip(less, enough_left, found, strict=True)]
    return found


def _candidates(model: PreTrainedModel, blocks: Blocks) -> tuple[int, list[list[Group]]]:
    """The width of the hidden state, and each block's matrices that answer so widely, in the order of their calls."""
    called: list[list[str]] = [[] for _ in blocks.modules]
    widths: list[int] = []

    def matrix(index: int, name: str) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            fits = isinstance(output, torch.Tensor) and bool(args) and isinstance(args[0], torch.Tensor)
            if fits and output.shape == (*args[0].shape[:-1], widths[-1]):
                called[index].append(name)

        return hook

    def width(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden = hidden_of(args, kwargs)
        assert hidden is not None  # find_blocks has seen every block receive one
        widths.append(hidden.shape[-1])

    handles = [block.register_forward_pre_hook(width, with_kwargs=True) for block in blocks.modules]
    for index, block in enumerate(blocks.modules):
        handles += [module.register_forward_hook(matrix(index, name)) for name, module in _matrices(block)]
    try:
        _forward(model)
    finally:
        for handle in handles:
            handle.remove()
    return widths[-1], [_alike(block, names) for block, names in zip(blocks.modules, called, strict=True)]


def _matrices(block: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The innermost modules of a block that hold a matrix: linear layers of any kind, and fused experts."""
    for name, module in block.named_modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        inner = any(True for child in module.children() for _ in child.parameters())
        if not inner and any(tensor.dim() > 1 for tensor in own):
            yield name, module


def _alike(block: nn.Module, names: list[str]) -> list[Group]:
    """The names in groups: one of a list of experts stands for all of them, also for those that were not called."""

    def pattern(name: str) -> str:
        return re.sub(r"(?<=\.)\d+(?=\.)", "#", name)

    every = [name for name, _ in _matrices(block)]
    patterns = dict.fromkeys(map(pattern, names))
    return [tuple(name for name in every if pattern(name) == one) for one in patterns]


def _unit(group: Group) -> str:
    """The child of the block that a group is in; "" for those that are children themselves."""
    child, inside, _ = group[0].partition(".")
    return child if inside else ""


def _without(left: list[Group], every: list[Group], step: int) -> list[Group]:
    """The groups that are left without the candidate of this step; but each child of the block keeps one.

    A projection that is zero already, as in a model that was exported so, is not needed for anything and still is one.
    """
    if step >= len(every):
        return left
    alone = sum(_unit(group) == _unit(every[step]) for group in left) == 1
    return left if alone else [group for group in left if group != every[step]]


def _return_their_input(model: PreTrainedModel, blocks: Blocks, silent: list[list[Group]], width: int) -> list[bool]:
    """Whether each block hands on its input unchanged, to the last bit, while some of its matrices answer zero."""
    entered: list[torch.Tensor] = []
    equal: list[bool] = []

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden = hidden_of(args, kwargs)
        assert hidden is not None
        entered.append(hidden.clone())

    def after(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        found = blocks.hidden_in(output)  # where this block lies; what came in may come from another device
        equal.append(torch.equal(found, blocks.skip(len(equal), entered[-1]).to(found.device)))

    handles = [block.register_forward_pre_hook(before, with_kwargs=True) for block in blocks.modules]
    handles += [block.register_forward_hook(after) for block in blocks.modules]
    modules = [
        block.get_submodule(name)
        for block, groups in zip(blocks.modules, silent, strict=True)
        for group in groups
        for name in group
    ]
    try:
        with silenced(modules, width):
            _forward(model)
    finally:
        for handle in handles:
            handle.remove()
    return equal


def _halves(block: nn.Module, found: list[Group], width: int) -> Halves:
    """What is called last is the MLP, also where the two are parallel; mixers that stand beside each other are one."""
    last = _unit(found[-1])
    units = {last} | {unit for unit in map(_unit, found) if _MLP.search(unit)}
    mixer = tuple(name for group in found if _unit(group) not in units for name in group)
    mlp = tuple(name for group in found if _unit(group) in units for name in group)
    direct = tuple(name for name, _ in _matrices(block) if "." not in name)
    return Halves(mixer, mlp, tuple(sorted(units)) if last else direct, width)


def _forward(model: PreTrainedModel) -> None:
    with torch.inference_mode():
        model.base_model(input_ids=probe_ids(model)[None], use_cache=False)


def _unsupported(model: PreTrainedModel, reason: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"{type(model).__name__} has no halves to play: {reason}.", "Use whole blocks: --players block."
    )
