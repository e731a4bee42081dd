"""A model on disk: the bundled one, a local folder, or a Hub id; safetensors or GGUF only, no foreign code."""

import hashlib
import json
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from core.checkpoint import gguf
from core.checkpoint.config import read_config
from core.checkpoint.gguf_parts import parts_of
from core.checkpoint.headers import headers, weight_files
from core.checkpoint.safety import check_folder, check_local, packed_in
from core.checkpoint.vocabulary import check_vocabulary
from core.errors import UnsupportedModel
from core.hub.fetch import fetch
from core.hub.hub_id import HubId
from core.paths import user_path
from core.pauses import come
from core.records.events import Event
from core.records.spec import BUNDLED

# Beside the weights and their index: settings, and what a tokenizer is made of.
_SMALL = ("*.json", "*.txt", "*.model", "*.jinja")
# Fields of config.json that say how a model was saved, not what it computes.
_NOT_THE_MODEL = ("transformers_version", "_name_or_path", "_model_name_or_path", "dtype", "torch_dtype", "use_cache")


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk whose files have been checked and whose weights have not been read."""

    source: str
    folder: Path
    config: Any
    packed: tuple[Path, ...] = ()  # the parts of the GGUF file that the folder was made from
    commit: str = ""  # of the Hub repository that it is from; empty elsewhere

    @property
    def layers(self) -> int | None:
        """The number of layers that the configuration names, if it does: a check before the weights are read."""
        return getattr(self.config.get_text_config(), "num_hidden_layers", None)

    @property
    def positions(self) -> int | None:
        """How many tokens the model numbers, where it says so: learned positions end there."""
        found = getattr(self.config.get_text_config(), "max_position_embeddings", None)
        return found if isinstance(found, int) else None

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer, or UnsupportedModel. It is needed before the weights: does the text suffice?"""
        check_vocabulary(self.folder)
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
        """Changes when a file of the model does; costs one stat a file, and a look at the index."""
        files = [*weight_files(self.folder).files, *self.packed]
        files += sorted(file for kind in _SMALL for file in self.folder.glob(kind) if file.is_file())
        return tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)


def locate(source: str) -> Checkpoint:
    """Finds a model's files, as `finding` does, without telling how far it is."""
    return come(finding(source))


def finding(source: str) -> Generator[Event, None, Checkpoint]:
    """Finds a model's files and checks that they can be used, before any weights are read.

    Args:
        source: `bundled`, a folder, a .gguf file, or a model of the Hub (core.hub.hub_id), which is downloaded first.

    Raises:
        ModelError: one of its kinds, each naming the cause and the next step.
    """
    path, commit = user_path(source), ""
    packed = gguf.bundled_file() if source == BUNDLED else packed_in(path)
    if packed is None and not path.exists():
        asked = HubId.of(source)
        path = yield from fetch(asked, check_config=lambda fetched: read_config(source, fetched))
        commit, packed = path.name, path / asked.file if asked.file else None
        if packed is None:
            check_folder(path)
    elif packed is None:
        check_local(path)
    parts = parts_of(packed) if packed is not None else ()
    folder = gguf.dequantised(parts) if parts else path
    return Checkpoint(source, folder, read_config(source, folder), tuple(part.file for part in parts), commit)


def fingerprint(checkpoint: Checkpoint) -> str:
    """Sixteen hex digits of the configuration and of every tensor by name, however they are spread over files."""
    digest = hashlib.sha256()
    config = {key: value for key, value in checkpoint.config.to_dict().items() if key not in _NOT_THE_MODEL}
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for name, header in sorted(headers(checkpoint.folder).items()):
        with safe_open(header.file, framework="pt") as tensors:
            tensor = tensors.get_tensor(name)
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
