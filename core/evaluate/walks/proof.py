"""Whether a hidden state is all that a block hands on to those after it, so that prefixes can be shared.

Some families hand on more: a stack of earlier states, keys and values, what a router has chosen. On a short sequence,
every tensor that a block is given is the same whether the blocks before it compute or not; and the whole model, no
model, and coalitions of all sizes have the losses of the model's own forwards.
"""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from core.evaluate.losses import sequence_nll
from core.evaluate.walks.batch import Batch
from core.evaluate.walks.sequences import Call, calls_of
from core.model.blocks import probe_ids
from core.model.masked import playing
from core.model.model import LoadedModel
from core.model.skipping import FAILURES

# Tokens, coalitions, and how far apart, relatively, two losses may be that are computed in the same order.
_PROVING, _COALITIONS, _ROUNDING = 32, 12, 1e-5
# What was proved of the models in memory, by their players.
_proved: "WeakKeyDictionary[torch.nn.Module, dict[tuple[str, ...], bool]]" = WeakKeyDictionary()


def hidden_state_is_all(loaded: LoadedModel) -> bool:
    """Whether it is. Found once a model."""
    known = _proved.setdefault(loaded.model, {})
    if loaded.info.players not in known:
        with torch.inference_mode():
            known[loaded.info.players] = _prove(loaded)
    return known[loaded.info.players]


def _prove(loaded: LoadedModel) -> bool:
    ids = probe_ids(loaded.model, _PROVING)[None]
    try:
        batch = Batch(loaded, ids, 1, keep=True)
        assert batch.sequences is not None
        if not all(map(_same, map(_given, calls_of(loaded, ids)[1]), map(_given, batch.sequences.calls(1)))):
            return False
        players, draws = len(loaded.info.players), np.random.default_rng(0)
        sizes = np.linspace(0, players, _COALITIONS + 2).round().astype(int)
        for mask in draws.permuted(np.arange(players)[None] < sizes[:, None], axis=1):
            with playing(loaded, mask):
                own = sequence_nll(loaded.model(input_ids=ids, use_cache=False).logits, ids)
            if not torch.allclose(batch.losses(mask), own, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True):
                return False
    except FAILURES:
        return False
    return True


def _given(call: Call) -> Any:
    """What a block is given beside the hidden state."""
    return call.args, call.kwargs


def _same(one: Any, other: Any) -> bool:
    """Whether two arguments hold the same tensors; what else they hold is of no account here."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    return not isinstance(other, torch.Tensor)
