"""The weights of a checkpoint, read into memory, or laid out over GPUs, memory and disk where they find no room."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from core.checkpoint.checkpoint import Checkpoint
from core.checkpoint.config import check_given
from core.checkpoint.device import DTYPES, choose_device, free_memory, placement
from core.checkpoint.memory import amount
from core.checkpoint.size import weight_bytes
from core.errors import TooLarge
from core.paths import home, write_errors
from core.records.spec import OFFLOAD


def read_weights(checkpoint: Checkpoint, dtype: str, device: str = "cpu") -> PreTrainedModel:
    """The model, in evaluation mode.

    Args:
        checkpoint: what `locate` gave.
        dtype: float32, bfloat16, float16, or auto: the one in which it was saved. Quantised weights stay as they are.
        device: as of `model.load`.

    Raises:
        TooLarge: the weights do not fit into memory; nothing has been read then.
        UnsupportedModel: weights are missing; transformers would have filled them in at random.
    """
    if device == OFFLOAD:
        spilled = _new_folder()
        try:
            model = _read(checkpoint, dtype, device, offload_folder=str(spilled))
        except BaseException:
            shutil.rmtree(spilled, ignore_errors=True)
            raise
        weakref.finalize(model, shutil.rmtree, spilled, ignore_errors=True)
        return model
    _check_room(checkpoint, dtype, choose_device(device))
    return _read(checkpoint, dtype, device)


def _read(checkpoint: Checkpoint, dtype: str, device: str, **options: Any) -> PreTrainedModel:
    loading: Any = AutoModelForCausalLM.from_pretrained(
        checkpoint.folder,
        dtype=DTYPES.get(dtype, dtype),
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
        **placement(device),
        **options,
    )
    model, report = loading
    check_given(checkpoint.source, report)
    if model.dtype != torch.float16 and getattr(model.config, "rescale_every", 0):
        # RWKV halves the hidden state between blocks, so that 16 bits of float16 hold it; what it computes is the same.
        model.config.rescale_every = 0
    complete: PreTrainedModel = model.eval()
    return complete


def _check_room(checkpoint: Checkpoint, dtype: str, device: str) -> None:
    """TooLarge for weights that need more memory than the device has free: the system would end the process."""
    needed, free = weight_bytes(checkpoint.folder, dtype), free_memory(device)
    if needed > free:
        smaller = "--dtype bfloat16, or " if dtype == "float32" else ""
        raise TooLarge(
            f"The weights of {checkpoint.source} take {amount(needed)} in {dtype}, and {device} has "
            f"{amount(free)} free.",
            f"Use {smaller}--device {OFFLOAD}: what does not fit then stays on the disk. Or use a quantised version.",
        )


def _new_folder() -> Path:
    """Where accelerate may keep weights that it cannot read from the checkpoint's own files."""
    folder = home() / "offload"
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=folder))
