"""Which weights ask for a gradient."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def fixed(model: nn.Module) -> Iterator[None]:
    """No weight asks for a gradient, but those that are asked for meanwhile; all are left as found."""
    every = list(model.parameters())
    before = [weight.requires_grad for weight in every]
    try:
        for weight in every:
            weight.requires_grad_(False)
        yield
    finally:
        for weight, was in zip(every, before, strict=True):
            weight.requires_grad_(was)
