"""LoRA by peft: low-rank additions to the matrices of blocks that stay, in the model only while they are at work."""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers.pytorch_utils import Conv1D

from core.coalitions.players import computed
from core.compensation.projections import Patches, patched
from core.errors import SelectionError, UnsupportedModel
from core.export.copy_weights import as_stored
from core.model.blocks import probe_ids
from core.model.masked import playing
from core.model.model import LoadedModel
from core.records.mends import Heal

_ADAPTER = "default"  # peft's own name of the only one
Mask = NDArray[np.bool_]


def check_healing(loaded: LoadedModel, mask: Mask) -> None:
    """Whether what stays under a mask (players,) can be trained, and the result merged and written.

    Raises:
        SelectionError: halves of blocks go.
        UnsupportedModel: quantised or offloaded weights, float16, or a family that has no such matrices.
        ExportError: the files hold a matrix in another form than the model.
    """
    kept, info = loaded.kept(mask), loaded.info
    if (kept.any(axis=1) & ~kept.all(axis=1)).any():
        raise SelectionError(
            "Healing trains what is left of whole layers, and this removes only half of some.", "Remove whole layers."
        )
    if info.quantisation or loaded.offloaded:
        why = f"quantised ({info.quantisation})" if info.quantisation else "partly on the disk"
        raise UnsupportedModel(
            f"The weights of {info.source} are {why}, and what is trained cannot be merged into them.",
            "Use the model's version that is not quantised, on a device that has room for it.",
        )
    if info.dtype == "float16":
        raise UnsupportedModel(
            "Training in float16 loses small gradients.", "Heal a run with --dtype bfloat16, float32 or auto."
        )
    weights = {f"{name}.weight": module.weight.detach() for name, module in matrices(loaded, mask).items()}
    as_stored(loaded.checkpoint.folder, loaded.blocks.path, info.layers, loaded.model, weights)
    Adapters(loaded, mask, {}, Heal())


def matrices(loaded: LoadedModel, mask: Mask) -> dict[str, nn.Linear | Conv1D]:
    """The linear layers that compute in blocks which stay, by their names in the model.

    Experts of a mixture that lie in one tensor are none, and stay as they are.

    Raises:
        UnsupportedModel: no block calls any.
    """
    found: dict[str, nn.Linear | Conv1D] = {}
    for block in np.flatnonzero(computed(loaded.kept(mask))):
        for name, module in loaded.blocks.modules[block].named_modules():
            # A router may be a linear layer with a forward of its own, and answer otherwise.
            if isinstance(module, nn.Linear | Conv1D) and type(module).forward in (nn.Linear.forward, Conv1D.forward):
                found[f"{loaded.blocks.path}.{block}.{name}"] = module
    called: set[nn.Module] = set()
    handles = [module.register_forward_hook(lambda module, *_: called.add(module)) for module in found.values()]
    try:
        with torch.inference_mode(), playing(loaded, mask):
            loaded.model.base_model(input_ids=probe_ids(loaded.model)[None], use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    found = {name: module for name, module in found.items() if module in called}
    if not found:
        raise UnsupportedModel(
            f"{loaded.info.architecture} cannot be healed: its blocks call no linear layers.",
            "Use --compensate of `export` in place of training, or a decoder such as Llama, Qwen, Mistral or GPT-2.",
        )
    return found


class Adapters:
    """The low-rank additions to one pruned model. They begin as zero, drawn by a seed of their own."""

    def __init__(self, loaded: LoadedModel, mask: Mask, patches: Patches, heal: Heal) -> None:
        """`patches`: values that parameters have in place of the model's own.

        Raises:
            UnsupportedModel: peft does not take this family.
        """
        self._loaded, self._mask, self._patches = loaded, mask, patches
        own = matrices(loaded, mask)
        needed = {name: weight.requires_grad for name, weight in loaded.model.named_parameters()}
        peft = import_module("peft")
        # As an expression: of a list, peft takes the ends of names, and for some mixtures other tensors by them.
        names = "|".join(map(re.escape, own))
        config = peft.LoraConfig(
            r=heal.rank, lora_alpha=heal.alpha, lora_dropout=heal.dropout, target_modules=names, bias="none"
        )
        try:
            with torch.random.fork_rng(), warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # peft asks the model by a name of the past
                torch.manual_seed(heal.seed)
                tuned = peft.get_peft_model(loaded.model, config)
        except ValueError as cause:
            raise UnsupportedModel(
                f"{loaded.info.architecture} cannot be healed: {str(cause)[:300]}",
                "Use --compensate of `export` in place of training.",
            ) from cause
        self._layers: dict[str, Any] = {name: loaded.model.get_submodule(name) for name in own}
        tuned.unload()
        vars(loaded.model).pop("peft_config", None)
        for name, weight in loaded.model.named_parameters():
            weight.requires_grad_(needed[name])
        self.weights = {
            f"{name}.{part}": getattr(layer, part)[_ADAPTER].weight
            for name, layer in self._layers.items()
            for part in ("lora_A", "lora_B")
        }

    @contextmanager
    def working(self, training: bool) -> Iterator[nn.Module]:
        """The pruned model with the additions, and with dropout in them if it is `training`; else as it was."""
        model, base = self._loaded.model, {name: layer.get_base_layer() for name, layer in self._layers.items()}
        needed = [weight for weight in model.parameters() if weight.requires_grad]
        try:
            with playing(self._loaded, self._mask), patched(model, self._patches), torch.set_grad_enabled(training):
                try:
                    for weight in needed:
                        weight.requires_grad_(False)
                    for name, layer in self._layers.items():
                        layer.train(training)
                        layer.get_base_layer().eval()
                        model.set_submodule(name, layer)
                    yield model
                finally:
                    for name, module in base.items():
                        model.set_submodule(name, module)
        finally:
            for weight in needed:
                weight.requires_grad_(True)

    def put(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Takes over values of `weights`."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(weights[name])

    def kept(self) -> dict[str, torch.Tensor]:
        """A copy of `weights`."""
        return {name: weight.detach().clone() for name, weight in self.weights.items()}

    def merged(self) -> Patches:
        """The model's weights with the additions, and the `patches` that they do not touch."""
        found = dict(self._patches)
        for name, layer in self._layers.items():
            with torch.no_grad():
                change = layer.get_delta_weight(_ADAPTER).cpu().double()
            own = f"{name}.weight"
            weight = self._patches.get(own, self._loaded.model.get_parameter(own)).detach()
            found[own] = (weight.cpu().double() + change).to(weight.dtype).contiguous().to(weight.device)
        return found
