"""A corpus that the model writes itself, by name: `self:` goes on from the stored prompts, `self:FILE` from a file's.

It has no text before its model has written it (core/evaluate/continuing/own_text.py); what is known before that is how
much there will be.
"""

from pathlib import Path

from core.errors import CorpusError
from core.paths import user_path
from core.text.documents import check_text
from core.text.local_files import file_stamp
from core.text.self_written.prompts import PROMPTS
from core.text.streams import check_regular, opened, reading, text_lines

SELF = "self:"
EACH = 768  # tokens that the model writes after each prompt
_MOST = 10_000  # prompts


def is_self_written(corpus: str) -> bool:
    """Whether a corpus is one that its model writes."""
    return corpus.startswith(SELF)


def name_of(corpus: str) -> str:
    """What its protocol calls it: self, or self:FILE without the folders before it."""
    return f"{SELF}{_file(corpus).name}" if corpus != SELF else "self"


def prompts_of(corpus: str) -> tuple[str, ...]:
    """The prompts, of a file a line each without its ends; empty lines are none.

    Raises:
        CorpusError: no such file, one without a prompt, or one that is no text.
    """
    if corpus == SELF:
        return PROMPTS
    file = _file(corpus)
    if not file.exists():
        raise CorpusError(
            f"There is no file of prompts {file}.",
            f"Name a text file with a prompt in each line, or use {SELF} alone for Quorum's own prompts.",
        )
    check_regular(file, file.stat().st_mode)
    found = []
    with reading(file.name), opened(file) as stream:
        for number, line in text_lines(stream, file.name):
            if line.strip():
                found.append(check_text(line.strip(), f"line {number:,}", file.name))
    if not 0 < len(found) <= _MOST:
        raise CorpusError(
            f"{file.name} holds {len(found):,} prompts.",
            f"Write one in each line, up to {_MOST:,}." if found else "Write a prompt in each line.",
        )
    return tuple(found)


def stamp_of(corpus: str) -> tuple[int, int] | None:
    """Changes when the file of prompts does; None for the stored ones."""
    return None if corpus == SELF else file_stamp(_file(corpus))


def check_prompts(corpus: str, split: str, prompts: int, sequences: int | None, window: int) -> None:
    """CorpusError where so many prompts cannot give that many windows, whatever the model writes."""
    parts = 1 if split == "whole" else 2
    needed = (sequences or 1) * window
    if prompts * EACH // parts < needed:
        halves = " of which half are for this" if parts == 2 else ""
        raise CorpusError(
            f"{prompts:,} prompts of {name_of(corpus)} give {prompts * EACH:,} tokens at most,{halves} and "
            f"{sequences or 1:,} x {window} = {needed:,} are needed.",
            f"Give {-(-needed * parts // EACH) + 1:,} prompts or more, one in each line, or ask for fewer or shorter "
            "sequences (--sequences, --windows, --window; --fit where a compensation is fitted).",
        )


def _file(corpus: str) -> Path:
    return user_path(corpus.removeprefix(SELF))
