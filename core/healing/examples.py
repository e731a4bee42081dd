"""What is trained on: sequences of tokens, of which some are predicted; and those that are held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from core.errors import CorpusError
from core.records.mends import Heal
from core.text.windows import Windows

LEAST = 16  # windows or instructions
_IGNORED = -100  # as everywhere in torch


@dataclass(frozen=True)
class Example:
    """Token ids (length,), and where what is to be predicted begins: a window's second token, or an answer's first."""

    ids: torch.Tensor
    start: int = 1


@dataclass(frozen=True)
class Material:
    """Examples, in the order in which they were drawn."""

    train: Sequence[Example]
    held: Sequence[Example]  # none of them is trained on
    text: str  # what they are, in words
    tokens: str  # fingerprint of all token ids


def of_windows(windows: Windows, heal: Heal, fitted: int = 0) -> Material:
    """Windows of a text; the last ones are held out.

    Args:
        windows: in an order that was drawn.
        heal: how many are held out, at most a quarter.
        fitted: on the first ones a compensation has been fitted, so that they cannot be held out.

    Raises:
        CorpusError: there are too few.
    """
    count = len(windows.ids)
    held = min(heal.held, count // 4)
    least = max(LEAST, fitted + held)
    if count < least:
        raise CorpusError(
            f"The text {windows.protocol.corpus} has {count} windows of {windows.protocol.window} tokens to heal with, "
            f"and at least {least} are needed.",
            "Name a longer text (--corpus NAME|FILE), or fit the compensation on fewer windows (--fit N)."
            if fitted
            else "Name a longer text: --corpus NAME|FILE.",
        )
    unseen = {ids.numpy().tobytes() for ids in windows.ids[count - held :]}  # a text may repeat itself
    train = [Example(ids) for ids in windows.ids[: count - held] if ids.numpy().tobytes() not in unseen]
    rest = [Example(ids) for ids in windows.ids[count - held :]]
    if not train:
        raise CorpusError(
            f"The text {windows.protocol.corpus} is the same window again and again.", "Name another text."
        )
    return Material(train, rest, str(windows.protocol), windows.protocol.tokens)


def batched(examples: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels (examples, longest), as transformers takes them.

    Shorter examples are filled up behind, where no causal model looks.
    """
    longest = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    labels = torch.full_like(ids, _IGNORED)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = example.ids
        labels[row, example.start : len(example.ids)] = example.ids[example.start :]
    return ids, labels


def is_predicted(labels: torch.Tensor) -> torch.Tensor:
    """Of each token but the last, whether the one behind it is predicted, (examples, longest - 1)."""
    return labels[:, 1:] != _IGNORED


def logits_of(model: torch.nn.Module, examples: Sequence[Example], device: str) -> torch.Tensor:
    """Logits of every token but the last, (examples, longest - 1, vocabulary)."""
    logits: torch.Tensor = model(input_ids=batched(examples)[0].to(device), use_cache=False).logits
    return logits[:, :-1]


def loss_of(logits: torch.Tensor, examples: Sequence[Example]) -> torch.Tensor:
    """The sum of the losses of what is predicted, nats, by `logits_of` these examples."""
    wanted = batched(examples)[1][:, 1:].to(logits.device)
    return cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=_IGNORED, reduction="sum")


def predicted(examples: Sequence[Example]) -> int:
    """How many tokens of examples are predicted."""
    return sum(len(example.ids) - example.start for example in examples)
