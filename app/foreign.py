"""Text that is not ours, as text: in Streamlit's Markdown, in LaTeX, and in Plotly's figures, which read tags.

Names, paths, prompts, addresses, messages: whatever comes from a file, an address, a person or a library.
"""

import re
from typing import Any

# A word of Markdown's signs, of Streamlit's own (:red[…], :material/x:, $latex$, -> and --), or an address.
_SIGNS = re.compile(r"[`*{}\[\]<>#|~$@&\\]|:(?=\S)|--|(?<![^\W_])_|_(?![^\W_])|^www\.", re.IGNORECASE)
# A span of code that a message has of its own, or a word; what stands around them is punctuation.
_WORDS = re.compile(
    r"(?P<open>(?<!\S)[(\"']*)(?:(?P<code>`[^`]+`)(?P<end>[).,;:]*)(?!\S)|(?P<word>\S+?)(?P<stop>[).,;:\"']*)(?!\S))"
)
# A list, a heading or a rule begins with a word of its own.
_BEGINS = re.compile(r"^(?:[-+=]+|\d+[.)])(?= |$)")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
# What LaTeX reads as its own; a bracket or a star behind a line's end would be taken for how far the next one is away.
_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},
}
_TAG = re.compile(r"<(?!/?(?:b|br|extra)>)", re.IGNORECASE)


def plain(text: object) -> str:
    """A text that Streamlit's Markdown shows as it is written: a word that could be more becomes code.

    White space is one space; what directs the writing or is not seen at all is shown as a replacement character.
    """
    words = " ".join(_UNSEEN.sub(_visible, str(text)).split())
    shown = _WORDS.sub(_inert, words)
    return _BEGINS.sub(lambda match: code(match[0]), shown)


def code(text: object) -> str:
    """A text that is not ours, as one span of code."""
    words = " ".join(_UNSEEN.sub(_visible, str(text)).split()).replace("`", "'")
    return f"`{words}`" if words else ""


def tex(text: object) -> str:
    """A text that LaTeX sets as it is written, on one line; what is not seen at all is a question mark."""
    words = " ".join(_UNSEEN.sub(lambda match: " " if match[0].isspace() else "?", str(text)).split())
    return re.sub("-(?=-)", "-{}", "".join(_TEX.get(sign, sign) for sign in words))


def untagged(drawn: Any) -> Any:
    """A figure's properties without any tag but those of line, weight and label: `<b>`, `<br>` and `<extra>`."""
    if isinstance(drawn, str):
        return _TAG.sub("&lt;", drawn)
    if isinstance(drawn, dict):
        return {name: untagged(value) for name, value in drawn.items()}
    if isinstance(drawn, list | tuple):
        return type(drawn)(untagged(value) for value in drawn)
    if getattr(getattr(drawn, "dtype", None), "kind", "") in ("O", "U"):
        return untagged(drawn.tolist())
    return drawn


def _visible(match: re.Match[str]) -> str:
    return " " if match[0].isspace() else "\ufffd"


def _inert(match: re.Match[str]) -> str:
    if match["code"]:
        return f"{match['open']}{match['code']}{match['end']}"
    word = f"{match['word']}{match['stop']}"
    if not _SIGNS.search(word):
        return match[0]
    return f"{match['open']}{code(match['word'])}{match['stop']}"
