"""Loading a causal language model: the bundled one, a local folder, or a Hub id; safetensors only, no foreign code."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from core import gguf_weights, hub
from core.blocks import Blocks, find_blocks
from core.configuration import check_weights, read_config
from core.device import DTYPES, choose_device, choose_dtype
from core.errors import ModelNotFound, UnsafeWeights, UnsupportedModel
from core.folder import check_code, check_folder
from core.halves import Halves, find_halves
from core.masks import Masks
from core.paths import user_path
from core.players import Switches, are_halves, gone, kept, parts, switches
from core.skipping import check_skipping
from core.types import BUNDLED, ModelInfo

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Fields of config.json that say how a model was saved, not what it computes.
_NOT_THE_MODEL = ("transformers_version", "_name_or_path", "_model_name_or_path", "dtype", "torch_dtype", "use_cache")


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk whose files have been checked and whose weights have not been read."""

    source: str
    folder: Path
    config: Any

    @property
    def layers(self) -> int | None:
        """The number of layers that the configuration names, if it does: a check before the weights are read."""
        return getattr(self.config.get_text_config(), "num_hidden_layers", None)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer, or UnsupportedModel. It is needed before the weights: does the text suffice?"""
        try:
            found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                self.folder, trust_remote_code=False, local_files_only=True
            )
        except Exception as cause:  # the tokenizers library raises bare ones
            raise UnsupportedModel(
                f"{self.source} has no tokenizer that can be read: {str(cause).strip()[:200]}",
                "Save the tokenizer into the model's folder: tokenizer.save_pretrained(folder).",
            ) from cause
        return found

    @property
    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Changes when a file of the model does; costs one stat a file."""
        files = [self.folder / "config.json", *sorted(self.folder.glob("*.safetensors"))]
        return tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, in evaluation mode, with its blocks found."""

    info: ModelInfo
    model: PreTrainedModel
    blocks: Blocks
    checkpoint: Checkpoint
    halves: tuple[Halves, ...] = ()  # of each block, where halves play

    def played_by(self, players: Sequence[str]) -> "LoadedModel":
        """The same weights with other players, by name.

        Raises:
            UnsupportedModel: halves of blocks are asked for, and this model's blocks have none.
        """
        halves = self.halves
        if not halves and are_halves(players):
            halves = find_halves(self.model, self.blocks)
        return replace(self, info=replace(self.info, players=tuple(players)), halves=halves)

    def kept(self, masks: Masks) -> NDArray[np.bool_]:
        """Which halves of blocks stay under masks (..., players): (..., layers, 2)."""
        return kept(self.switches, masks)

    @cached_property
    def switches(self) -> Switches:
        """What each player switches off."""
        return switches(self.info.players, self.info.layers)

    def parameters_without(self, removed: Sequence[int]) -> int:
        """Parameters of the model that is left without some players; a half alone leaves zeros behind."""
        lost = gone(self.info.players, self.info.layers, removed)
        return self.info.parameters - sum(self.layer_parameters[player] for player in lost)

    @property
    def layer_parameters(self) -> tuple[int, ...]:
        """Of each player."""
        return tuple(sum(int(weight.numel()) for weight in own) for own in self.weights)

    @cached_property
    def weights(self) -> tuple[list[nn.Parameter], ...]:
        """The parameters of each player; what a block has outside of its MLP is its mixer's."""
        found = []
        for first, last, halves in map(parts, self.info.players):
            own: list[nn.Parameter] = []
            for block in range(first, last + 1):
                for name, weight in self.blocks.modules[block].named_parameters():
                    mlp = bool(self.halves) and name.partition(".")[0] in self.halves[block].mlp_children
                    own += [weight] if len(halves) > 1 or mlp == (halves == "m") else []
            found.append(own)
        return tuple(found)


def locate(source: str) -> Checkpoint:
    """Finds a model's files and checks that they can be used, before any weights are read.

    Args:
        source: `bundled`, a folder, a .gguf file, or a Hub id.

    Raises:
        ModelError: one of its kinds, each naming the cause and the next step.
    """
    path = user_path(source)
    if source == BUNDLED:
        folder = gguf_weights.dequantised(gguf_weights.bundled_file())
    elif path.is_file() and path.suffix == ".gguf":
        folder = gguf_weights.dequantised(path)
    elif path.exists():
        folder = _folder(path)
    elif source.count("/") == 1 and not source.startswith((".", "/", "~")):
        folder = hub.fetch_model(source, check_config=lambda fetched: read_config(source, fetched))
        check_folder(folder)
    else:
        raise ModelNotFound(
            f"There is no model {source}.", "Use bundled, a Hub id such as owner/name, or an existing folder."
        )
    return Checkpoint(source, folder, read_config(source, folder))


def load(checkpoint: Checkpoint, dtype: str = "auto", device: str = "auto") -> LoadedModel:
    """Reads the weights and finds the blocks.

    Args:
        checkpoint: what `locate` gave.
        dtype: auto, float32, bfloat16 or float16; auto is the fastest one that the device computes natively.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        ModelError, DeviceError.
    """
    on = choose_device(device)
    kind = choose_dtype(dtype, on)
    check_weights(checkpoint.source, checkpoint.config, checkpoint.folder)
    try:
        model = read_weights(checkpoint, DTYPES[kind])
        model.to(on)  # type: ignore[arg-type]  # transformers narrows torch's signature
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as cause:
        raise UnsupportedModel(
            f"{checkpoint.source} cannot be loaded: {type(cause).__name__}: {str(cause).strip()[:300]}",
            "Check that the folder is complete, and that the model fits into the memory of the device.",
        ) from cause
    try:
        blocks = find_blocks(model)
    except RuntimeError as cause:
        raise UnsupportedModel(
            f"{type(model).__name__} does not compute in {kind} on {on}: {str(cause).strip()[:200]}",
            "Use --dtype float32.",
        ) from cause
    check_skipping(model, blocks)
    info = ModelInfo(
        source=checkpoint.source,
        architecture=type(model).__name__,
        layers=len(blocks),
        parameters=model.num_parameters(),
        fingerprint=fingerprint(checkpoint),
        dtype=kind,
        device=on,
    )
    return LoadedModel(info, model, blocks, checkpoint)


def read_weights(checkpoint: Checkpoint, dtype: torch.dtype | str) -> PreTrainedModel:
    """The model in memory, in evaluation mode; the dtype "auto" is the one in which it was saved.

    Raises:
        UnsupportedModel: weights are missing; transformers would have filled them in at random.
    """
    loading: Any = AutoModelForCausalLM.from_pretrained(
        checkpoint.folder,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
    )
    model, report = loading
    absent = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if absent:
        raise UnsupportedModel(
            f"The weights of {checkpoint.source} are incomplete: {len(absent)} are missing, such as {absent[0]}.",
            "Save the whole model with its head (save_pretrained of the causal LM), or download it again.",
        )
    if model.dtype != torch.float16 and getattr(model.config, "rescale_every", 0):
        # RWKV halves the hidden state between blocks, so that 16 bits of float16 hold it; what it computes is the same.
        model.config.rescale_every = 0
    complete: PreTrainedModel = model.eval()
    return complete


def fingerprint(checkpoint: Checkpoint) -> str:
    """Sixteen hex digits of the configuration and of every tensor by name, however they are spread over files."""
    digest = hashlib.sha256()
    config = {key: value for key, value in checkpoint.config.to_dict().items() if key not in _NOT_THE_MODEL}
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    where: dict[str, Path] = {}
    for file in sorted(checkpoint.folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            where.update(dict.fromkeys(tensors.keys(), file))
    for name in sorted(where):
        with safe_open(where[name], framework="pt") as tensors:
            tensor = tensors.get_tensor(name)
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _folder(folder: Path) -> Path:
    """A folder with safetensors, or the dequantised form of its one GGUF file."""
    if not folder.is_dir():
        raise ModelNotFound(
            f"{folder} is neither a folder nor a .gguf file.", "Give the folder that holds config.json."
        )
    if any(folder.glob("*.safetensors")):
        if not (folder / "config.json").is_file():
            raise ModelNotFound(
                f"{folder} has weights and no config.json.", "Give the folder that save_pretrained wrote."
            )
        check_folder(folder)
        check_code(folder)
        return folder
    ggufs = sorted(folder.glob("*.gguf"))
    if len(ggufs) == 1:
        return gguf_weights.dequantised(ggufs[0])
    if ggufs:
        raise ModelNotFound(f"{folder} holds {len(ggufs)} GGUF files.", "Name one of them: --model FOLDER/FILE.gguf.")
    if any(any(folder.glob(pattern)) for pattern in _PICKLES):
        raise UnsafeWeights(
            f"{folder} holds pickle weights only, and loading those can execute code.",
            "Save them as safetensors first: model.save_pretrained(folder) in a place where you trust the file.",
        )
    raise ModelNotFound(f"{folder} holds no weights.", "Give a folder with config.json and .safetensors files.")
