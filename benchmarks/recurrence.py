"""Linear recurrences that train fast on a CPU, in the place of those of transformers' Mamba and RWKV.

transformers runs both models' recurrences as Python loops that autograd records step by step, several operations each.
Here both are one recurrence, h_t = a_t * h_{t-1} + b_t, whose loop has one operation a step and whose gradient is
written out (the same recurrence, run backwards); all else is computed for all steps at once. The modules and their
weights are those of transformers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.mamba import modeling_mamba
from transformers.models.rwkv import modeling_rwkv


@contextmanager
def fast() -> Iterator[None]:
    """Lets whole sequences without a state pass through the recurrences of this file."""
    before = modeling_mamba.mamba_selective_scan, modeling_rwkv.rwkv_linear_attention
    modeling_mamba.mamba_selective_scan, modeling_rwkv.rwkv_linear_attention = selective_scan, wkv
    try:
        yield
    finally:
        modeling_mamba.mamba_selective_scan, modeling_rwkv.rwkv_linear_attention = before


class Recurrence(torch.autograd.Function):
    """h_t = a_t * h_{t-1} + b_t with h_{-1} = 0; a and b are (time, …), and so is h."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        h = torch.empty_like(b)
        h[0] = b[0]
        for t in range(1, len(b)):
            torch.addcmul(b[t], a[t], h[t - 1], out=h[t])
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor]:
        a, h = ctx.saved_tensors
        to_b = upstream.contiguous().clone()
        for t in range(len(h) - 2, -1, -1):
            to_b[t].addcmul_(a[t + 1], to_b[t + 1])
        to_a = torch.zeros_like(h)
        torch.mul(to_b[1:], h[:-1], out=to_a[1:])
        return to_a, to_b


def selective_scan(
    hidden_states: Tensor,
    dt: Tensor,
    A: Tensor,  # noqa: N803  # the names by which transformers calls it
    B: Tensor,  # noqa: N803
    C: Tensor,  # noqa: N803
    *,
    D: Tensor,  # noqa: N803
    z: Tensor,
    delta_bias: Tensor,
    **_: Any,
) -> Tensor:
    """Mamba's selective scan (arXiv 2312.00752): what transformers' function of this name gives for a whole sequence.

    `hidden_states`, `dt` and the gate `z` are (batch, channels, time), A (channels, state), B and C (batch, state,
    time), D and `delta_bias` (channels,); (batch, channels, time).
    """
    x, gate = hidden_states.permute(2, 0, 1), F.silu(z.permute(2, 0, 1))
    step = F.softplus(dt.permute(2, 0, 1).contiguous() + delta_bias)
    decay = torch.exp(step.unsqueeze(2) * A.T)  # (time, batch, state, channels)
    inflow = (step * x).unsqueeze(2) * B.permute(2, 0, 1).unsqueeze(3)
    states = Recurrence.apply(decay, inflow)
    out = (C.permute(2, 0, 1).unsqueeze(2) @ states).squeeze(2)
    return ((out + x * D) * gate).permute(1, 2, 0)


def wkv(
    time_decay: Tensor, time_first: Tensor, key: Tensor, value: Tensor, state: None = None, return_state: bool = False
) -> tuple[Tensor, None]:
    """RWKV-4's attention (arXiv 2305.13048): what transformers' function gives for a whole sequence.

    A weighted mean of the values so far: `key` and `value` are (batch, time, channels), `time_decay` and `time_first`
    (channels,). Weights are relative to the largest key of a sequence, so that none overflows; one that is less than
    e^-87 of it vanishes.
    """
    k, v = key.transpose(0, 1), value.transpose(0, 1)
    largest = k.detach().amax(dim=0)
    weight = torch.exp(k - largest)
    b = torch.stack([weight * v, weight])  # numerator and denominator
    b = b.transpose(0, 1).contiguous()  # (time, 2, batch, channels)
    sums = Recurrence.apply(torch.exp(-torch.exp(time_decay)).expand_as(b), b)
    past = torch.cat([torch.zeros_like(sums[:1]), sums[:-1]])
    here = torch.exp(time_first + k - largest)
    mean = (past[:, 0] + here * v) / (past[:, 1] + here)
    return mean.transpose(0, 1), None
