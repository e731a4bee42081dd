"""Corpora as text: the embedded one, data sets on the Hub, local files, and folders that `datasets` saved.

A corpus is one stream: its documents joined by a blank line, or as a protocol of the literature joins them. Calibration
and evaluation never share text: a data set has splits for them, and of any other stream calibration gets the first half
and evaluation the second (`text.windows`).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from core.errors import CorpusError
from core.paths import user_path
from core.records.presets import Published, preset_of
from core.text.documents import Chat, Documents, gathered, joined
from core.text.hub_data import find_data, hub_values
from core.text.hub_names import HubName, hub_name
from core.text.kept_data import kept_file, recall
from core.text.local_files import KINDS, file_stamp, file_values, saved_splits
from core.text.rows import Row
from core.text.self_written.prompt_file import SELF, is_self_written, stamp_of

EMBEDDED = "python-docs"

# Documents read from a Hub corpus: enough for thousands of windows, without downloading all of C4.
_HUB_DOCUMENTS = 20_000
_JOIN = "\n\n"
_TESTS = ("test", "validation", "valid", "val", "dev", "eval")  # what splits for evaluation are called


@dataclass(frozen=True)
class HubCorpus:
    """A data set on the Hugging Face Hub under a short name."""

    name: HubName
    calibration: str  # split
    evaluation: str  # split
    column: str


# PTB and BookCorpus are published as programs, which are never executed: their Parquet copies are read. A protocol may
# evaluate on PTB's validation split, so that calibration takes another.
HUB = {
    "wikitext2": HubCorpus(HubName("Salesforce/wikitext", None, "wikitext-2-raw-v1"), "validation", "test", "text"),
    "c4": HubCorpus(HubName("allenai/c4", None, "en"), "train", "validation", "text"),
    "ptb": HubCorpus(HubName("ptb-text-only/ptb_text_only", None, "penn_treebank"), "train", "test", "sentence"),
    "bookcorpus": HubCorpus(HubName("bookcorpus/bookcorpus", None, "plain_text"), "train", "train", "text"),
}
CORPORA = (EMBEDDED, *HUB)


@dataclass(frozen=True)
class Corpus:
    """The text of one split. `halved`: calibration and evaluation are still halves of this one stream."""

    name: str
    split: str
    text: str
    halved: bool
    chats: tuple[Chat, ...] = ()  # instead of text: messages, for the template of the model's tokenizer
    between: str = _JOIN  # documents
    ended: bool = True  # False: there is more text than was read
    left_out: str = ""  # what was left out, in words


def is_local(corpus: str) -> bool:
    """Whether a corpus is read without the Hub."""
    if is_self_written(corpus):
        return True
    return corpus == EMBEDDED or (corpus not in HUB and (user_path(corpus).exists() or hub_name(corpus) is None))


def is_here(corpus: str) -> bool:
    """Whether its text for calibration is read without a question to the Hub."""
    if is_local(corpus):
        return True
    named = HUB[corpus].name if corpus in HUB else hub_name(corpus)
    data = recall(named) if named is not None else None
    if named is None or data is None:
        return False
    split = HUB[corpus].calibration if corpus in HUB else named.split or _paired(data.files, corpus)[0]
    return split in data.files and all(kept_file(data, file) for file in data.files[split])


def check_enough(corpus: str, split: str, tokens: int, sequences: int, window: int) -> None:
    """CorpusError where the tokens of a split do not make so many windows of that length."""
    if sequences * window > tokens:
        raise CorpusError(
            f"The corpus {corpus} ({split}) is too short: it has {tokens:,} tokens, "
            f"and {sequences:,} x {window} = {sequences * window:,} are needed.",
            "Use fewer or shorter sequences (--sequences, --windows or --fit, --window), or a longer text.",
        )


def check_length(length: int, positions: int | None, source: str) -> None:
    """CorpusError for windows longer than a model's positions: a forward would fail in the middle."""
    if positions is not None and 0 < positions < length:
        raise CorpusError(
            f"Windows of {length} tokens are too long: {source} has {positions} positions.",
            f"Use --window {positions - 1} or less.",
        )


def read(corpus: str, split: str, field: str = "", preset: str = "") -> Corpus:
    """The text of a corpus, up to some 67 million characters of it.

    Args:
        corpus: `python-docs`; a Hub corpus by its short name, or any by `owner/name[@revision][:config][:split]`; a
            file; or a folder that `datasets` saved.
        split: calibration, evaluation, or whole (all of a file; a data set with splits gives its evaluation split).
        field: what holds the text in each row; empty takes `text`, or what a named corpus has.
        preset: a protocol of the literature, which says what is read for split whole, and how it is joined.

    Raises:
        CorpusError: unknown name, missing, unreadable or empty file, a row without text, or no network.
    """
    published = preset_of(preset).corpora.get(corpus) if preset and split == "whole" else None
    if is_self_written(corpus):
        raise CorpusError(
            f"The text of {corpus} is written by a model, and none is loaded.", "Use another corpus here."
        )
    values, halved = _values(corpus, split, field, published)
    on_hub = not is_local(corpus)
    most = published.documents if published is not None else _HUB_DOCUMENTS if on_hub else None
    name = corpus if on_hub else Path(corpus).name
    found = gathered(values, name, most)
    between = published.between if published is not None else _JOIN
    text = joined(found.every, between)
    chats = tuple(document for document in found.every if not isinstance(document, str))
    if not text.strip() and not chats:
        raise CorpusError(f"The corpus {corpus} holds no text.", "Give a file with text in it.")
    ended = found.ended or most is not None
    return Corpus(name, split, text, halved and split != "whole", chats, between, ended, _left_out(found))


def stamp(corpus: str) -> tuple[int, int] | None:
    """Changes when a local file does; None for a corpus that has no file."""
    if is_self_written(corpus):
        return stamp_of(corpus)
    return None if corpus == EMBEDDED or not is_local(corpus) else file_stamp(user_path(corpus))


def _values(corpus: str, split: str, field: str, published: Published | None) -> tuple[Iterable[Row], bool]:
    """The values of a corpus's field with where they are, and whether one stream serves calibration and evaluation."""
    if corpus == EMBEDDED:
        if field:
            raise CorpusError(f"{corpus} is plain text and has no field {field}.", "Leave --field out.")
        return _embedded(), True
    if corpus in HUB:
        hub = HUB[corpus]
        wanted = published.split if published else hub.calibration if split == "calibration" else hub.evaluation
        return hub_values(hub.name, find_data(hub.name), wanted, field or hub.column), hub.calibration == hub.evaluation
    file = user_path(corpus)
    if file.is_dir() and (names := saved_splits(file)):
        calibration, evaluation = _paired(names, corpus)
        part = calibration if split == "calibration" else evaluation
        return file_values(file / part, field), calibration == evaluation
    if file.exists():
        return file_values(file, field), True
    named = hub_name(corpus)
    if named is None:
        raise CorpusError(
            f"There is no corpus {corpus}.",
            f"Name a corpus ({', '.join((*CORPORA, SELF))}), a data set (owner/name), or an existing file "
            f"({', '.join(KINDS)}).",
        )
    return _hub_split(corpus, named, split, field)


def _hub_split(corpus: str, named: HubName, split: str, field: str) -> tuple[Iterable[Row], bool]:
    data = find_data(named)
    if named.split is not None:
        if named.split not in data.files:
            raise CorpusError(
                f"{named.repository} has no split {named.split}; it has {', '.join(data.files)}.", "Name one of them."
            )
        return hub_values(named, data, named.split, field), True
    calibration, evaluation = _paired(data.files, corpus)
    part = calibration if split == "calibration" else evaluation
    return hub_values(named, data, part, field), calibration == evaluation


def _paired(splits: Collection[str], name: str) -> tuple[str, str]:
    """The splits for calibration and for evaluation; the same twice where there is only one: its halves are used then.

    Raises:
        CorpusError: splits whose names do not say what they are for.
    """
    tests = [split for split in _TESTS if split in splits]
    if len(splits) == 1:
        return (only := next(iter(splits))), only
    if "test" in tests and len(tests) > 1:
        return tests[1], "test"
    if "train" in splits and tests:
        return "train", tests[0]
    raise CorpusError(
        f"{name} has the splits {', '.join(sorted(splits))}: which is meant is not clear.",
        "Name one after a colon, as in owner/name:config:split; of a saved folder, give the split's own folder.",
    )


def _embedded() -> Iterable[Row]:
    """Python's own reference documentation, which the standard library carries as text."""
    from pydoc_data.topics import topics

    return ((name, topics[name]) for name in sorted(topics))


def _left_out(found: Documents) -> str:
    if not found.nulls:
        return ""
    more = f" and {found.nulls - len(found.skipped):,} more" if found.nulls > len(found.skipped) else ""
    return f"without text, and left out: {', '.join(found.skipped)}{more}"
