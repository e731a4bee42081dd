"""One timed generation by plain transformers: the first token and the others apart, and what the cache holds then."""

import time
from typing import Any, NamedTuple, cast

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache
from transformers.generation.streamers import BaseStreamer


class Generation(NamedTuple):
    """What one call of `generate` wrote, and how long it took."""

    prefill: float  # seconds until the first new token is known
    decode: float  # seconds for all others
    ids: torch.Tensor  # (batch, prompt + new tokens)
    cache: int | None  # bytes of keys and values at the end; None where there are none

    @property
    def latency(self) -> float:
        """Seconds for all."""
        return self.prefill + self.decode


class _Clock(BaseStreamer):
    """When each token was known. It is given them on the CPU, so that it waits for a device that works on its own."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None: ...


def generation(model: PreTrainedModel, ids: torch.Tensor, tokens: int) -> Generation:
    """Lets a model write `tokens` greedily after `ids` (batch, prompt), which lie on its device."""
    clock, generate = _Clock(), cast(Any, model.generate)
    begun = time.perf_counter()
    with torch.inference_mode():
        answer = generate(ids, max_new_tokens=tokens, streamer=clock, return_dict_in_generate=True)
    _, first, *later = clock.times  # before the first new token it is given the prompt
    last = later[-1] if later else first
    return Generation(first - begun, last - first, answer.sequences, _key_value_bytes(answer.past_key_values))


def _key_value_bytes(cache: object) -> int | None:
    """Bytes of keys and values; None of a model that keeps a state of another kind, such as Mamba's, or none."""
    layers = cache.layers if isinstance(cache, Cache) else []
    held = [
        tensor
        for layer in layers
        for tensor in (getattr(layer, "keys", None), getattr(layer, "values", None))
        if isinstance(tensor, torch.Tensor) and tensor.numel()
    ]
    return sum(tensor.nbytes for tensor in held) if held else None
