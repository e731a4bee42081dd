"""Loading a causal language model: the bundled one, a local folder, or a Hub id; safetensors only, no foreign code."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from core import gguf_weights, hub
from core.blocks import Blocks, find_blocks
from core.device import choose_device, choose_dtype
from core.errors import ModelError, ModelNotFound, NotCausal, UnsafeWeights, UnsupportedModel
from core.paths import user_path
from core.quantised import count_parameters, quantisation
from core.types import BUNDLED, OFFLOAD, ModelInfo
from core.weights import read_weights

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
        except (OSError, ValueError, KeyError, TypeError, ImportError) as cause:
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

    def parameters_without(self, removed: Sequence[int]) -> int:
        """Parameters of the model that is left without some layers."""
        return self.info.parameters - sum(self.layer_parameters[layer] for layer in removed)

    @property
    def layer_parameters(self) -> tuple[int, ...]:
        """Of each layer."""
        return tuple(count_parameters(block) for block in self.blocks.modules)

    @property
    def device(self) -> str:
        """What to ask for, to load such a model once more."""
        return OFFLOAD if self.offloaded else self.info.device

    @property
    def offloaded(self) -> bool:
        """Whether some weights are brought to the device only when their layer's turn comes."""
        return any(weight.is_meta for weight in self.model.parameters())


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
        folder = _check_folder(path)
    elif source.count("/") == 1 and not source.startswith((".", "/", "~")):
        folder = hub.fetch_model(source, check_config=lambda fetched: _read_config(source, fetched))
    else:
        raise ModelNotFound(
            f"There is no model {source}.", "Use bundled, a Hub id such as owner/name, or an existing folder."
        )
    return Checkpoint(source, folder, _read_config(source, folder))


def load(checkpoint: Checkpoint, dtype: str = "auto", device: str = "auto") -> LoadedModel:
    """Reads the weights and finds the blocks.

    Args:
        checkpoint: what `locate` gave.
        dtype: auto, float32, bfloat16 or float16; auto is the fastest one that the device computes natively.
        device: auto, cpu, cuda, cuda:N, mps, or offload: weights lie on the disk if they find no room in memory.

    Raises:
        ModelError, DeviceError.
    """
    on = choose_device(device)
    kind = choose_dtype(dtype, on)
    packed = quantisation(checkpoint.source, checkpoint.config, on)
    if packed and device == OFFLOAD:
        raise UnsupportedModel(
            f"{checkpoint.source} is quantised ({packed}), and quantised weights must lie on the device that computes.",
            "Use --device auto: they take a fraction of the memory.",
        )
    try:
        model = read_weights(checkpoint, kind, device)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as cause:
        raise UnsupportedModel(
            f"{checkpoint.source} cannot be loaded: {type(cause).__name__}: {str(cause).strip()[:300]}",
            "Check that the folder is complete, and that the model fits into the memory of the device.",
        ) from cause
    blocks = find_blocks(model)
    info = ModelInfo(
        source=checkpoint.source,
        architecture=type(model).__name__,
        layers=len(blocks),
        parameters=count_parameters(model),
        fingerprint=fingerprint(checkpoint),
        dtype=kind,
        device=on,
        quantisation=packed,
    )
    return LoadedModel(info, model, blocks, checkpoint)


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


def _check_folder(folder: Path) -> Path:
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


def _read_config(source: str, folder: Path) -> Any:
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as cause:
        code = "auto_map" in _raw_config(folder)
        error: type[ModelError] = UnsafeWeights if code else UnsupportedModel
        raise error(
            f"{source} needs code of its own to load, which Quorum never executes."
            if code
            else f"{source} is of an architecture that this transformers release does not know.",
            "Use a model whose architecture is part of transformers.",
        ) from cause
    known = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    named = config.architectures or []
    if (
        config.is_encoder_decoder
        or config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        or (named and not known.intersection(named))
    ):
        raise NotCausal(
            f"{source} is not a causal language model ({', '.join(named) or config.model_type}).",
            "Use a decoder-only model: its class ends in ForCausalLM or LMHeadModel.",
        )
    return config


def _raw_config(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
