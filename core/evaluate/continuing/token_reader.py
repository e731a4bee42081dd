"""A model that reads texts token by token, with a cache of keys and values where that changes nothing.

A cache is told of every layer how long the text is, also of one that is skipped: a model counts positions by one of
them, and by another where its layers differ.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.cache_utils import Cache, CacheLayerMixin

from core.coalitions.players import computed
from core.model.masked import playing
from core.model.model import LoadedModel
from core.model.skipping import FAILURES

# Tokens on which a cache is proved, and of them those that are read at once.
_PROOF, _FIRST = 12, 3
# How far logits may be from those without a cache, of the largest one: rounding, in 32 and in 16 bits.
_ROUNDING = 1e-3, 5e-2


class TokenReader:
    """Reads texts of one length, (texts, tokens), that grow from call to call."""

    def __init__(self, loaded: LoadedModel, mask: NDArray[np.bool_], cached: bool) -> None:
        """`mask` (players,) is True where a player is kept; without a cache every call reads all tokens."""
        self._loaded, self._mask, self._cached = loaded, mask, cached
        self._skipped = np.flatnonzero(~computed(loaded.kept(mask)))
        self._cache: Cache | None = None
        self._read = 0

    def read(self, ids: torch.Tensor) -> torch.Tensor:
        """The logits of the tokens that are new since the last call, the last ones at least; (texts, n, vocabulary)."""
        with torch.inference_mode(), playing(self._loaded, self._mask):
            if not self._cached:
                whole: torch.Tensor = self._loaded.model(input_ids=ids, use_cache=False).logits
                return whole
            new = ids[:, self._read :]
            answer = self._loaded.model(input_ids=new, past_key_values=self._cache, use_cache=True)
            self._cache, self._read = answer.past_key_values, ids.shape[1]
            nothing = torch.zeros(len(ids), 1, new.shape[1], 1, device=ids.device, dtype=self._loaded.model.dtype)
            for layer in self._skipped:
                if isinstance(self._cache.layers[layer], CacheLayerMixin):
                    self._cache.update(nothing, nothing, int(layer))
            logits: torch.Tensor = answer.logits
            return logits


def cache_holds(loaded: LoadedModel, mask: NDArray[np.bool_], start: Sequence[int]) -> bool:
    """Whether a cache gives the logits of whole forwards, to rounding: tried on the beginning of a text."""
    settings = loaded.model.generation_config
    if settings is not None and settings.use_cache is False:
        return False
    ids = torch.tensor([(list(start) * _PROOF)[:_PROOF]], device=loaded.info.device)
    plain = TokenReader(loaded, mask, cached=False).read(ids)[0, _FIRST - 1 :].float()
    reader = TokenReader(loaded, mask, cached=True)
    try:
        read = [reader.read(ids[:, :length])[0, -1] for length in range(_FIRST, _PROOF + 1)]
    except (*FAILURES, RuntimeError):
        return False
    most = rounding(loaded) * plain.abs().max()
    return bool(((torch.stack(read).float() - plain).abs() <= most).all())


def rounding(loaded: LoadedModel) -> float:
    """How far logits may be from those without a cache, as a part of the largest one."""
    return _ROUNDING[loaded.model.dtype.itemsize < 4]
