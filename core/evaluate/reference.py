"""Losses by the model's own forward with players switched off: simple, and what everything faster is held against.

And where a loss comes from that is not a number.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import nn

from core.checkpoint.headers import headers
from core.coalitions.masks import Masks
from core.errors import EvaluationError
from core.evaluate.limits import ACCELERATOR
from core.evaluate.losses import sequence_nll
from core.model.masked import playing
from core.model.model import LoadedModel
from core.records.spec import Losses

# Logits alive at once on a CPU, in elements: 128 MiB in fp32.
_LOGITS = 2**25
# Elements of a weight that are looked at at once, and players that a message names.
_PIECE, _NAMED = 2**24, 12
_WIDER = "Use --dtype bfloat16 or float32, which hold larger numbers; what was measured is kept."
_DAMAGED = "No dtype helps: download the model again, or use a checkpoint from before its training went wrong."
_NO_DTYPE = "No dtype helps: check that config.json belongs to these weights, and try another text or other layers."


def sequence_losses(loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_]) -> Losses:
    """The loss of every sequence.

    Args:
        loaded: the model; left as found.
        ids: token ids (sequences, length); the first token of each is not predicted.
        mask: (players,), True where a player is kept.

    Returns:
        Mean negative log-likelihood in nats a token, (sequences,); NaN and infinity where the model gives them.
    """
    vocabulary = int(loaded.model.config.get_text_config().vocab_size)
    most = _LOGITS if loaded.info.device == "cpu" else ACCELERATOR[1]
    found = []
    with torch.inference_mode(), playing(loaded, mask):
        for here in torch.split(ids.to(loaded.info.device), max(1, most // (ids.shape[1] * vocabulary))):
            found.append(sequence_nll(loaded.model(input_ids=here, use_cache=False).logits, here))
    return torch.cat(found).cpu().numpy()  # one copy at the end: nothing waits for the device in between


def check_finite(loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_], losses: Losses) -> None:
    """Raises EvaluationError where a loss is not a number, and says what of the model is not.

    Args:
        loaded: the model; left as found.
        ids: token ids (sequences, length).
        mask: (players,), True where a player is kept.
        losses: of the first sequences under the mask, (m,).
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    if not len(bad):
        return
    one, everybody = ids[bad[0] : bad[0] + 1], np.ones_like(mask)
    whole = bool(mask.all()) or not np.isfinite(sequence_losses(loaded, one, everybody)).all()
    found = (_bad_weight(loaded) if whole else None) or _bad_output(loaded, one, everybody if whole else mask)
    gone = [name for name, kept in zip(loaded.info.players, mask, strict=True) if not kept]
    named = ", ".join(gone[:_NAMED]) + (f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else "")
    of = "The whole model's loss" if whole else f"The loss without {named}, unlike the whole model's,"
    raise EvaluationError(f"{of} is not a number on this text: {found[0]}", found[1])


def check_whole(loaded: LoadedModel, ids: torch.Tensor, masks: Masks, losses: NDArray[np.float32]) -> None:
    """Raises EvaluationError where losses of masks (masks, sequences) are no numbers since the whole model's are none.

    What only a coalition gives is its own: a player who holds the numbers back is gone.
    """
    bad = np.argwhere(~np.isfinite(losses))
    if len(bad):
        sequence, everybody = int(bad[0][1]), np.ones(masks.shape[1], dtype=np.bool_)
        one = ids[sequence : sequence + 1]
        check_finite(loaded, one, everybody, sequence_losses(loaded, one, everybody))


def _bad_weight(loaded: LoadedModel) -> tuple[str, str] | None:
    """The first weight that is not finite, in the order of the model, and what to do about it."""
    tensors = headers(loaded.checkpoint.folder)
    for name, weight in loaded.model.named_parameters():
        if _finite(weight):
            continue
        if loaded.info.dtype == "float16" and name in tensors and _finite(_saved(loaded, name)):
            return f"{name} has weights beyond what float16 can hold (65,504).", _WIDER
        return f"{name} has weights that are not finite.", _DAMAGED
    if loaded.offloaded:  # what lies on the disk
        for name in tensors:
            if not _finite(_saved(loaded, name)):
                return f"{name} has weights that are not finite.", _DAMAGED
    return None


def _bad_output(loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_]) -> tuple[str, str]:
    """The first part of the model whose output on a sequence is not finite, and what to do about it."""
    seen: list[str] = []

    def look(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if not seen and not all(map(_finite, _tensors(output))):
                seen.append(name)

        return hook

    with ExitStack() as hooked, torch.inference_mode(), playing(loaded, mask):
        for name, module in loaded.model.named_modules():
            if name:
                hooked.callback(module.register_forward_hook(look(name)).remove)
        loaded.model(input_ids=ids.to(loaded.info.device), use_cache=False)
    if not seen and np.isfinite(sequence_losses(loaded, ids, mask)).all():
        return "computed again, it is one.", "Use another results file (--cache FILE): this one was written elsewhere."
    if not seen:
        return "its logits are finite, and their cross-entropy is not.", _NO_DTYPE
    where = f"the output of {seen[0]} is the first that is not finite, in {loaded.info.dtype}."
    return where, _WIDER if loaded.info.dtype == "float16" else _NO_DTYPE


def _finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers are; those that are on no device cannot be told, and packed ones are whole numbers."""
    if tensor.is_meta or not tensor.is_floating_point():
        return True
    pieces = torch.split(tensor.detach().flatten(), _PIECE)
    return all(bool(torch.isfinite(piece if piece.element_size() > 1 else piece.float()).all()) for piece in pieces)


def _saved(loaded: LoadedModel, name: str) -> torch.Tensor:
    with safe_open(headers(loaded.checkpoint.folder)[name].file, framework="pt") as file:
        tensor: torch.Tensor = file.get_tensor(name)
    return tensor


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    """The tensors in what a module returned."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, (tuple, list, dict)):
        for item in output.values() if isinstance(output, dict) else output:
            yield from _tensors(item)
