"""Coalitions -> the loss of every calibration sequence, each shared prefix of layers computed once.

The hidden state after a prefix of layers depends only on which of those were kept, so a set of masks is a trie. The
masks are taken in lexicographic order and one hidden state is kept for each depth of the current path: a mask starts
where it leaves its predecessor. What surrounds the blocks (embedding, masks, rotary inputs, final norm, head, any
scaling of logits) is the model's own forward, in which the blocks answer without computing.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from core.errors import UnsupportedModel
from core.masks import Masks
from core.model import LoadedModel
from core.players import hidden_of
from core.skipping import answering, pass_on, skipping
from core.types import Losses

# Logits alive at once, in elements: 128 MiB in fp32.
_LOGITS = 2**25
# Bytes that hidden states may take, one for each depth of a path.
_STATES = 2**31
# Tokens in one batch of the plain forward.
_BATCH_TOKENS = 1280


def sequence_losses(loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_]) -> Losses:
    """The loss of every sequence by the model's own forward with the dropped blocks skipped: simple, and the reference.

    Args:
        loaded: the model; left as found.
        ids: token ids (sequences, length); the first token of each is not predicted.
        mask: (layers,), True where a layer is kept.

    Returns:
        Mean negative log-likelihood in nats a token, (sequences,); NaN and infinity where the model gives them.
    """
    return np.concatenate(list(batch_losses(loaded, ids, mask)))


def batch_losses(loaded: LoadedModel, ids: torch.Tensor, mask: NDArray[np.bool_]) -> Iterator[Losses]:
    """`sequence_losses`, batch by batch."""
    size = max(1, min(_BATCH_TOKENS // ids.shape[1], _sequences_a_head(loaded, ids)))
    for part in torch.split(ids, size):
        here = part.to(loaded.info.device)
        with torch.inference_mode(), skipping(loaded.blocks, mask):
            losses = _losses(loaded.model(input_ids=here, use_cache=False).logits, here)
        yield losses.cpu().numpy()


def perplexity(losses: Losses) -> float:
    """exp of the mean loss; infinite where that overflows, NaN where a loss is."""
    with np.errstate(over="ignore"):
        return float(np.exp(losses.mean(dtype=np.float64)))


class Evaluator:
    """Evaluates coalitions on one set of sequences. The model is left as found after every call.

    Raises:
        UnsupportedModel: the blocks exchange more than the hidden state, so that prefixes cannot be shared.
    """

    def __init__(self, loaded: LoadedModel, ids: torch.Tensor, *, checked: bool = False) -> None:
        """`checked` leaves out the comparison, on the first sequence, with the model's own forward."""
        if not checked:
            _check(loaded, ids[:1])
        self._loaded = loaded
        self._ids = ids.to(loaded.info.device)
        hidden = ids.numel() * loaded.model.config.get_text_config().hidden_size * loaded.model.dtype.itemsize
        self._shares = (len(loaded.blocks) + 1) * hidden <= _STATES
        if self._shares:
            self._start, self._calls = self._record()

    def losses(self, masks: Masks, wanted: Callable[[int], bool] = lambda _: True) -> Iterator[tuple[int, Losses]]:
        """Yields (row of `masks`, losses (sequences,)) in the order in which prefixes are shared.

        Memory: one hidden state for each depth, whatever the number of masks. Where even that is too much, prefixes are
        not shared: each mask is a plain forward, batch by batch.

        Args:
            masks: (masks, layers).
            wanted: asked for each row just before it is evaluated; one that is not wanted any more is left out.
        """
        if not self._shares:
            for row in filter(wanted, range(len(masks))):
                yield row, sequence_losses(self._loaded, self._ids, masks[row])
            return
        layers = len(self._loaded.blocks)
        path: list[torch.Tensor] = [self._start] * (layers + 1)  # path[d]: hidden state after the first d decisions
        previous: NDArray[np.bool_] | None = None
        for row in np.lexsort(masks.T[::-1]):
            if not wanted(int(row)):
                continue
            mask = masks[row]
            shared = 0 if previous is None else int(np.argmax(np.append(mask != previous, True)))
            with torch.inference_mode():
                for depth in range(shared, layers):
                    path[depth + 1] = self._block(depth, path[depth]) if mask[depth] else path[depth]
                losses = self._head(path[layers])
            previous = mask
            yield int(row), losses

    def _record(self) -> tuple[torch.Tensor, list[tuple[tuple[Any, ...], dict[str, Any]]]]:
        """The hidden state that enters the first block, and the other arguments of each block's call."""
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        blocks = self._loaded.blocks
        handles = [
            block.register_forward_pre_hook(lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True)
            for block in blocks.modules
        ]
        try:
            with torch.inference_mode(), answering(blocks, dict.fromkeys(range(len(blocks)), pass_on)):
                self._loaded.model.base_model(input_ids=self._ids, use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
        start = hidden_of(*calls[0])
        assert start is not None  # find_blocks has seen it
        return start, calls

    def _block(self, index: int, hidden: torch.Tensor) -> torch.Tensor:
        args, kwargs = self._calls[index]
        if args:
            args = (hidden, *args[1:])
        else:
            kwargs = {**kwargs, "hidden_states": hidden}
        output = self._loaded.blocks.modules[index](*args, **kwargs)
        result: torch.Tensor = output[0] if self._loaded.blocks.tuples else output
        return result

    def _head(self, hidden: torch.Tensor) -> Losses:
        """Final norm, head and loss: the model's own forward, whose first block answers `hidden`."""
        size = _sequences_a_head(self._loaded, self._ids)
        answers = dict.fromkeys(range(len(self._loaded.blocks)), pass_on)
        parts = []
        for ids, state in zip(torch.split(self._ids, size), torch.split(hidden, size), strict=True):
            with answering(self._loaded.blocks, {**answers, 0: partial(_give, state)}):
                parts.append(_losses(self._loaded.model(input_ids=ids, use_cache=False).logits, ids))
        return torch.cat(parts).cpu().numpy()


def _check(loaded: LoadedModel, ids: torch.Tensor) -> None:
    """Holds one coalition, every other layer, against the model's own forward."""
    mask = np.arange(len(loaded.blocks)) % 2 == 0
    [(_, ours)] = Evaluator(loaded, ids, checked=True).losses(mask[None])
    if not np.allclose(ours, sequence_losses(loaded, ids, mask), rtol=1e-3, equal_nan=True):
        raise UnsupportedModel(
            f"{loaded.info.architecture} cannot be taken apart: its blocks exchange more than one state.",
            "Use a model whose blocks pass one hidden state along.",
        )


def _sequences_a_head(loaded: LoadedModel, ids: torch.Tensor) -> int:
    vocabulary = int(loaded.model.config.get_text_config().vocab_size)
    return max(1, _LOGITS // (ids.shape[1] * vocabulary))


def _losses(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Mean NLL of each sequence, (sequences,) in fp32; one sequence at a time, for its fp32 copy of the logits."""
    return torch.stack([F.cross_entropy(one[:-1].float(), text[1:]) for one, text in zip(logits, ids, strict=True)])


def _give(state: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """The answer of a block that has been computed elsewhere."""
    return state
