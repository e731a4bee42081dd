"""An item of a task as the tokens that a model reads: contexts, and what may follow each."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from core.checkpoint.checkpoint import Checkpoint
from core.errors import TaskError
from core.tasks.named_task import NamedTask
from core.text.tokens import check_known

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Item:
    """One item of a task, as a model's tokenizer has it."""

    document: Any  # as its data set has it
    tokens: tuple[tuple[Tokens, Tokens], ...]  # of contexts, and of what may follow each

    @cached_property
    def digest(self) -> str:
        """The same for the same tokens, whatever task asks them."""
        return hashlib.sha256(json.dumps(self.tokens).encode()).hexdigest()[:24]


def items_of(task: NamedTask, checkpoint: Checkpoint) -> list[Item]:
    """The items that a task asks a model.

    Args:
        task: with its requests written.
        checkpoint: the model's files.

    Raises:
        TaskError: an item is longer than the model reads, or has an empty continuation.
        CorpusError: it has tokens that the model does not embed.
    """
    asked: dict[int, list[Any]] = {}
    for request in sorted(task.built.instances, key=lambda request: (request.doc_id, request.idx)):
        asked.setdefault(request.doc_id, []).append(request)
    found = []
    for number, requests in asked.items():
        tokens = tuple(encoded(checkpoint.tokenizer, *map(str, request.args)) for request in requests)
        _check(task, number, tokens, checkpoint.positions)
        found.append(Item(requests[0].doc, tokens))
    every = torch.tensor(sorted({token for item in found for pair in item.tokens for part in pair for token in part}))
    embedded = getattr(checkpoint.config.get_text_config(), "vocab_size", None)
    check_known(every, checkpoint.tokenizer, embedded, checkpoint.source, what=f"task {task.name}")
    return found


def encoded(tokenizer: Any, context: str, continuation: str) -> tuple[Tokens, Tokens]:
    """The tokens of a context and of what follows it, cut as lm-eval's HFLM does.

    Both are encoded as one text, so that a word is never cut where they meet; spaces at the end of the context go with
    the continuation. An empty context is the token that a text begins with.
    """
    if not context:
        first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        rest = tuple(tokenizer.encode(continuation, add_special_tokens=False))
        return (rest[:1], rest[1:]) if rest[:1] == (first,) else ((first,), rest)
    stripped = context.rstrip()
    continuation, context = context[len(stripped) :] + continuation, stripped
    begins = tokenizer.decode(tokenizer.bos_token_id) if tokenizer.bos_token_id is not None else ""
    special = {"add_special_tokens": False} if begins and context.startswith(begins) else {}
    whole, before = tokenizer.encode(context + continuation, **special), tokenizer.encode(context, **special)
    return tuple(whole[: len(before)]), tuple(whole[len(before) :])


def _check(task: NamedTask, number: int, tokens: Sequence[tuple[Tokens, Tokens]], positions: int | None) -> None:
    if not all(context and continuation for context, continuation in tokens):
        raise TaskError(
            f"Item {number} of {task.name} has an empty context or continuation for this model's tokenizer.",
            "Leave the item out of its file, or choose another task.",
        )
    longest = max(len(context) + len(continuation) for context, continuation in tokens) - 1
    if positions is not None and 0 < positions < longest:
        raise TaskError(
            f"Item {number} of {task.name} has {longest:,} tokens; the model reads {positions:,}.",
            "Ask for fewer items with --limit, or with fewer examples before each.",
        )
