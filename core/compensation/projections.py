"""The matrices through which blocks add to the hidden state, confirmed by forwards, and how their weights change.

What such a matrix answers must be added to the hidden state as it is: where a norm, a gate or a factor follows, a fit
for the hidden state is none for the matrix. A model without such matrices is refused by name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from core.errors import UnsupportedModel
from core.model.blocks import probe_ids
from core.model.model import LoadedModel
from core.model.sublayers import Group, find_halves, find_single, silenced

# How far, relatively, a block's output may be from what was added to it; bfloat16 rounds to 1/256.
_ROUNDING = 0.05

_OF_A_LIST = re.compile(r"\.\d+\.")  # an expert among others, which some tokens go through

Patches = dict[str, torch.Tensor]  # new values of parameters, by their names in the model


@dataclass(frozen=True)
class Part:
    """Of a block: what it is, the matrices it ends in, and those in which what follows it ends."""

    name: str
    ends: Group
    behind: Group


@dataclass(frozen=True)
class Projection:
    """One output projection: y = x W + b."""

    name: str  # of the module in the model
    block: int
    module: nn.Module

    @property
    def has_bias(self) -> bool:
        return self.module.bias is not None

    @property
    def inputs(self) -> int:
        """The width of what enters."""
        weight = self.module.weight
        assert isinstance(weight, torch.Tensor)
        return int(weight.shape[1 if self._across else 0])

    @property
    def _across(self) -> bool:
        """Whether the weight is (out, in)."""
        return isinstance(self.module, nn.Linear)

    def added(self, change: torch.Tensor) -> Patches:
        """The weights with `change` (in, out) added, or (in + 1, out), of which the last row is the bias's."""
        weight = self.module.weight
        assert isinstance(weight, torch.Tensor)
        matrix = change[: self.inputs]
        found = {f"{self.name}.weight": _moved(weight, matrix.T if self._across else matrix)}
        if len(change) > self.inputs:
            bias = self.module.bias
            assert isinstance(bias, torch.Tensor)
            found[f"{self.name}.bias"] = _moved(bias, change[-1])
        return found

    def followed(self, matrix: torch.Tensor) -> Patches:
        """The weights of y M in place of y, for M (out, out), added up in float64."""
        found: Patches = {}
        for name, value in self.module.named_parameters():
            wide = value.detach().cpu().double()
            moved = matrix.T @ wide if self._across and name == "weight" else wide @ matrix
            found[f"{self.name}.{name}"] = moved.to(value.dtype).contiguous().to(value.device)
        return found


def _moved(weight: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Added up in float64, which not every device has."""
    return (weight.detach().cpu().double() + by).to(weight.dtype).contiguous().to(weight.device)


@contextmanager
def patched(model: nn.Module, patches: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Lets parameters have other values, for as long as a `with` statement lasts."""
    own = {name: model.get_parameter(name).data for name in patches}
    try:
        for name, value in patches.items():
            model.get_parameter(name).data = value
        yield
    finally:
        for name, value in own.items():
            model.get_parameter(name).data = value


def changed_by(loaded: LoadedModel, blocks: Iterable[int]) -> list[Projection]:
    """The projections of some blocks that a refit may change, in the order of the blocks.

    Raises:
        UnsupportedModel: a block has none.
    """
    parts = parts_of(loaded)
    return [projection for block in blocks for projection in _adding(loaded, block, parts[block])]


def projections(loaded: LoadedModel, blocks: list[int]) -> list[Projection]:
    """The output projection of the MLP of some blocks; of blocks that are one mixer (Mamba) it is the mixer's.

    Raises:
        UnsupportedModel: quantised or offloaded weights, or a family whose projections cannot be changed so.
    """
    parts, found = parts_of(loaded), []
    for block in blocks:
        part = parts[block][-1]
        if len(part.ends) != 1:
            raise refused(loaded, f"the {part.name} of block {block} ends in {len(part.ends)} matrices", "refit")
        projection = _projection(loaded, block, part.ends[0])
        if not isinstance(projection.module, nn.Linear | Conv1D):
            kind = type(projection.module).__name__
            raise refused(loaded, f"the {part.name} of block {block} ends in a {kind}", "refit")
        if not _is_added(loaded, projection, part):
            raise refused(loaded, f"what {projection.name} answers is not added to the hidden state as it is", "refit")
        found.append(projection)
    return found


def _adding(loaded: LoadedModel, block: int, parts: list[Part]) -> list[Projection]:
    """Those matrices of a block, in the order of its parts, whose answers are added to the hidden state as they are.

    Of a mixture of experts that is the one that every token goes through; where there is none, and where a gate or a
    norm follows an MLP, it is attention's alone.
    """
    found = [
        projection
        for part in parts
        for projection in (_projection(loaded, block, name) for name in part.ends if not _OF_A_LIST.search(name))
        if isinstance(projection.module, nn.Linear | Conv1D) and _is_added(loaded, projection, part)
    ]
    return found or projections(loaded, [block])  # which says why there is none


def _projection(loaded: LoadedModel, block: int, name: str) -> Projection:
    module = loaded.blocks.modules[block].get_submodule(name)
    return Projection(f"{loaded.blocks.path}.{block}.{name}", block, module)


def parts_of(loaded: LoadedModel) -> list[list[Part]]:
    """Those of each block, in their order.

    Raises:
        UnsupportedModel: quantised or offloaded weights, or blocks that add to the hidden state in another way.
    """
    if loaded.info.quantisation or loaded.offloaded:
        why = f"quantised ({loaded.info.quantisation})" if loaded.info.quantisation else "partly on the disk"
        raise UnsupportedModel(
            f"The weights of {loaded.info.source} are {why}, and compensation changes some of them.",
            "Use the model's version that is not quantised, on a device that has room for it, or --compensate none.",
        )
    if getattr(loaded.model.config, "rescale_every", 0):  # off in any other dtype: see core.model.loading
        raise UnsupportedModel(
            f"{loaded.info.architecture} halves its hidden state between blocks in {loaded.info.dtype}, which no fit "
            "takes into account.",
            "Use --dtype float32 or bfloat16, or --compensate none.",
        )
    try:
        halves = loaded.halves or find_halves(loaded.model, loaded.blocks)
        return [[Part("attention", each.mixer, each.mlp), Part("MLP", each.mlp, ())] for each in halves]
    except UnsupportedModel:
        try:
            return [[Part("mixer", ends, ())] for ends in find_single(loaded.model, loaded.blocks)]
        except UnsupportedModel as cause:
            raise refused(loaded, cause.message.partition(": ")[2].rstrip(".")) from cause


def _is_added(loaded: LoadedModel, projection: Projection, part: Part) -> bool:
    """Whether the block's output moves by exactly what the projection's answer is moved by."""
    behind = [loaded.blocks.modules[projection.block].get_submodule(name) for name in part.behind]
    outputs: list[torch.Tensor] = []
    moves: list[torch.Tensor] = []

    def move(_: nn.Module, __: Any, answer: torch.Tensor) -> torch.Tensor | None:
        if not outputs:
            return None
        sizes = outputs[0].norm(dim=-1, keepdim=True) / answer.shape[-1] ** 0.5
        signs = 1 - 2 * (torch.arange(answer.shape[-1], device=answer.device) * 7 % 3 % 2)
        if sizes.shape[:-1] != answer.shape[:-1]:
            sizes = sizes.reshape(-1, 1)
        moves.append((sizes * signs).to(answer.dtype))
        return answer + moves[0]

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        outputs.append(loaded.blocks.hidden_in(output))

    handles = [
        projection.module.register_forward_hook(move),
        loaded.blocks.modules[projection.block].register_forward_hook(keep),
    ]
    try:
        # What follows would answer to what is added before it.
        with silenced(behind, loaded.blocks.width), torch.inference_mode():
            for _ in range(2):
                loaded.model.base_model(input_ids=probe_ids(loaded.model)[None], use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    if not moves or moves[0].numel() != outputs[0].numel():
        return False
    moved, wanted = (outputs[1] - outputs[0]).float().flatten(), moves[0].float().flatten()
    return bool((moved - wanted).norm() <= _ROUNDING * wanted.norm())


def refused(loaded: LoadedModel, reason: str, how: str = "") -> UnsupportedModel:
    """Of a model that one compensation cannot change, or with `how` empty none can."""
    return UnsupportedModel(
        f"{loaded.info.architecture} cannot be compensated{how and f' by {how}'}: {reason}.",
        "Use --compensate none. Decoders such as Llama, Qwen, Mistral, GPT-2 or GPT-NeoX can be.",
    )
