"""An item of a task as the tokens that a model reads: contexts, and what may follow each."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.errors import TaskError
from core.tasks.harness import NamedTask

Tokens = tuple[int, ...]
Pair = tuple[str, str]  # a context, and a continuation


@dataclass(frozen=True)
class Item:
    """One item of a task, as a model's tokenizer has it."""

    pairs: tuple[Pair, ...]
    tokens: tuple[tuple[Tokens, Tokens], ...]  # of each pair

    @cached_property
    def digest(self) -> str:
        """The same for the same tokens, whatever task asks them."""
        return hashlib.sha256(json.dumps(self.tokens).encode()).hexdigest()[:24]


def items_of(task: NamedTask, tokenizer: Any, positions: int | None) -> list[Item]:
    """The items that a task asks.

    Args:
        task: with its requests written.
        tokenizer: the model's.
        positions: as many as the model has, if it has so many.

    Raises:
        TaskError: an item is longer than that, or has an empty continuation.
    """
    asked: dict[int, list[Pair]] = {}
    for request in sorted(task.built.instances, key=lambda request: (request.doc_id, request.idx)):
        asked.setdefault(request.doc_id, []).append(tuple(map(str, request.args)))  # type: ignore[arg-type]
    found = []
    for number, pairs in asked.items():
        tokens = tuple(encoded(tokenizer, *pair) for pair in pairs)
        _check(task, number, tokens, positions)
        found.append(Item(tuple(pairs), tokens))
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
    if positions is not None and longest > positions:
        raise TaskError(
            f"Item {number} of {task.name} has {longest:,} tokens; the model reads {positions:,}.",
            "Ask for fewer items with --limit, or with fewer examples before each.",
        )
