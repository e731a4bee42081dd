"""The weights of a checkpoint, read into memory, or laid out over GPUs, memory and disk where they find no room."""

import weakref
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import PreTrainedModel

from core.checkpoint.checkpoint import Checkpoint
from core.checkpoint.config import causal_class, check_given
from core.checkpoint.device import DTYPES, choose_device, free_memory, placement
from core.checkpoint.headers import headers
from core.checkpoint.memory import amount
from core.checkpoint.size import PLAIN, weight_bytes
from core.errors import TooLarge, UnsupportedModel
from core.paths import home, write_errors
from core.records.spec import OFFLOAD
from core.tools.lending import places_kept
from core.unfinished import Unfinished

# Tensors of a file of which one must be what was loaded.
_COMPARED = 8


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
        # Where accelerate may keep weights that it cannot read from the checkpoint's own files.
        spilled = Unfinished(home() / "offload" / "weights")
        try:
            with write_errors(spilled.path):
                spilled.path.mkdir()
            model = _read(checkpoint, dtype, device, offload_folder=str(spilled.path))
        except BaseException:
            spilled.drop()
            raise
        weakref.finalize(model, spilled.drop)
        return model
    _check_room(checkpoint, dtype, choose_device(device))
    return _read(checkpoint, dtype, device)


def _read(checkpoint: Checkpoint, dtype: str, device: str, **options: Any) -> PreTrainedModel:
    build: Any = causal_class(checkpoint.config)  # transformers gives no types
    with places_kept():
        model, report = build.from_pretrained(
            checkpoint.folder,
            dtype=DTYPES.get(dtype, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # they are refused by name below
            output_loading_info=True,
            **placement(device),
            **options,
        )
    check_given(checkpoint.source, report)
    _check_same(checkpoint, model)
    if model.dtype != torch.float16 and getattr(model.config, "rescale_every", 0):
        # RWKV halves the hidden state between blocks, so that 16 bits of float16 hold it; what it computes is the same.
        model.config.rescale_every = 0
    complete: PreTrainedModel = model.eval()
    return complete


def _check_same(checkpoint: Checkpoint, model: PreTrainedModel) -> None:
    """UnsupportedModel where transformers has read other files than those that fingerprints and exports are made of.

    The beginnings of the largest tensors of each file are compared, of those that keep their names; one that agrees is
    enough, since some families change others as they load.
    """
    weights = dict(model.named_parameters())
    by_file: dict[Path, list[str]] = {}
    tensors = headers(checkpoint.folder)
    for name in sorted(tensors, key=lambda name: -tensors[name].size):
        weight = weights.get(name)
        plain = weight is not None and weight.dim() and not weight.is_meta and weight.is_floating_point()
        if plain and tensors[name].dtype in PLAIN and tensors[name].shape == tuple(weights[name].shape):
            by_file.setdefault(tensors[name].file, []).append(name)
    for file, names in by_file.items():
        with safe_open(file, framework="pt") as opened:
            if not any(_begins_as(weights[name], opened.get_slice(name)) for name in names[:_COMPARED]):
                raise UnsupportedModel(
                    f"What transformers has loaded of {checkpoint.source} is not what {file.name} holds.",
                    "Put config.json, the tokenizer and the weights of one model into a folder of their own.",
                )


def _begins_as(weight: torch.Tensor, saved: Any) -> bool:
    first = saved[:1].to(weight.dtype)
    return torch.equal(torch.nan_to_num(weight[:1].detach().cpu()), torch.nan_to_num(first))


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
