"""What the rows of a corpus hold, as documents: text, or chats for the model's template; checked, within a budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import CorpusError
from core.text.rows import Row, at, no_text

Chat = list[dict[str, str]]  # role and content of each message
Document = str | Chat

CHARACTERS = 2**26  # of a corpus are read at most; what lies further on no window is cut from
_LEAST = 64  # characters that a document counts for at least: a thousand million empty rows are no text
_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant"}  # as ShareGPT has them


@dataclass
class Documents:
    """The documents of a corpus, in order, and what was left out."""

    every: list[Document] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # where there were rows without a value, the first ones
    nulls: int = 0  # how many of them there were
    ended: bool = True  # False: there is more than was read


def gathered(values: Iterable[Row], name: str, most: int | None = None) -> Documents:
    """Documents from the values of a field, up to the budget, or to so many.

    A row whose field is null is left out, and counted: in published data sets there are some.

    Raises:
        CorpusError: a value that is no text; it names the row.
    """
    found, length = Documents(), 0
    for where, value in values:
        if length >= CHARACTERS or len(found.every) == most:
            found.ended = False
            break
        if value is None:
            found.nulls += 1
            found.skipped += [where] if found.nulls <= 3 else []
            length += _LEAST
            continue
        document = _document(value, where, name)
        if found.every and isinstance(document, str) != isinstance(found.every[0], str):
            raise CorpusError(
                f"{at(where, name)} holds {'text' if isinstance(document, str) else 'a chat'}, and "
                "earlier rows the other.",
                "Give rows of one kind.",
            )
        size = len(document) if isinstance(document, str) else sum(map(_length, document))
        if isinstance(document, str) and length + size > CHARACTERS:
            document, found.ended = document[: CHARACTERS - length], False
        found.every.append(document)
        length += max(_LEAST, size)
        if not found.ended:
            break
    return found


def check_text(text: str, where: str, name: str) -> str:
    """The text, or CorpusError where a tokenizer cannot take it: half a character, or NUL."""
    if "\0" in text:
        raise CorpusError(
            f"{at(where, name)} holds a NUL character: this is no text, or text in UTF-16.",
            "Give a file of text in UTF-8, without NUL characters.",
        )
    try:
        text.isascii() or text.encode("utf-8")
    except UnicodeEncodeError as cause:
        code = ord(text[cause.start])
        raise CorpusError(
            f"{at(where, name)} holds half a character, \\u{code:04x}, which no tokenizer takes.",
            "Write the file again from whole characters: text.encode('utf-8', 'replace').",
        ) from cause
    return text


def _document(value: Any, where: str, name: str) -> Document:
    if isinstance(value, str):
        return check_text(value, where, name)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return check_text("\n".join(value), where, name)
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return [_message(item, where, name) for item in value]
    raise no_text(where, name, type(value).__name__)


def _message(item: dict[str, Any], where: str, name: str) -> dict[str, str]:
    role, content = item.get("role", item.get("from")), item.get("content", item.get("value"))
    if not isinstance(role, str) or not isinstance(content, str):
        raise CorpusError(
            f"{at(where, name)} holds a message without a role and a content that are text.",
            "Messages have role and content, or from and value.",
        )
    return {"role": check_text(_ROLES.get(role, role), where, name), "content": check_text(content, where, name)}


def _length(message: dict[str, str]) -> int:
    return sum(map(len, message.values()))


def joined(documents: Sequence[Document], between: str) -> str:
    """Documents that are text, as one."""
    return between.join(document for document in documents if isinstance(document, str))
