"""Chats as text, by the template that a model brings: a program of whoever made it, run apart and within bounds."""

import json
import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from core.errors import CorpusError
from core.text.corpora import Corpus

# What a template may take for one chat, and the characters that it may make of it.
_SECONDS, _MEMORY, _WRITTEN = 10, 2**29, 2**25


def rendered(corpus: Corpus, tokenizer: PreTrainedTokenizerBase) -> str:
    """The chats of a corpus as the model reads them.

    Raises:
        CorpusError: there is no template, or it refuses a chat, or takes too long or too much memory for one.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise CorpusError(
            f"{corpus.name} holds chats, and this model has no template for them.",
            "Name a field of plain text (--field NAME), or use a model with a chat template.",
        )
    texts: list[str] = []
    for number, answer in enumerate(_apart(partial(_render, corpus.chats, tokenizer)), 1):
        if "text" not in answer:
            raise CorpusError(
                f"The model's chat template refuses chat {number:,} of {corpus.name}: {answer['error']}.",
                "Give chats in the roles that the template knows, or a field of plain text.",
            )
        texts.append(answer["text"])
    if len(texts) < len(corpus.chats):
        raise CorpusError(
            f"The model's chat template takes over {_SECONDS} s or {_MEMORY >> 20} MiB for chat {len(texts) + 1:,} of "
            f"{corpus.name}.",
            "Use a model whose template ends, or name a field of plain text (--field NAME).",
        )
    return corpus.between.join(texts)


def _render(chats: Sequence[Any], tokenizer: PreTrainedTokenizerBase) -> Iterator[dict[str, str]]:
    """The text of each chat, or what the template says against it."""
    for chat in chats:
        try:
            text = str(tokenizer.apply_chat_template(chat, tokenize=False))
            yield {"text": text} if len(text) <= _WRITTEN else {"error": f"it makes {len(text):,} characters of it"}
        except MemoryError:
            return
        except Exception as cause:  # a template may raise what it likes
            yield {"error": str(cause).strip()[:200].rstrip(".")}


def _apart(answers: Callable[[], Iterator[dict[str, str]]]) -> Iterator[dict[str, str]]:
    """What another process computes, which may take so long for each, and so much memory; it ends early where it does.

    A template is a program of whoever made the model, and may loop for ever. Where processes cannot be split in two,
    as under Windows, it is left to jinja's sandbox.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        yield from answers()
        return
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(answers, theirs), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other threads, whose locks the child does not take
        process.start()
    theirs.close()
    try:
        while ours.poll(_SECONDS):
            yield json.loads(ours.recv_bytes())
    except EOFError:
        return
    finally:
        process.kill()
        process.join()
        ours.close()


def _send(answers: Callable[[], Iterator[dict[str, str]]], pipe: Connection) -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (taken + _MEMORY, taken + _MEMORY))
    for answer in answers():
        pipe.send_bytes(json.dumps(answer).encode())
