"""The texts that a request may name: named corpora, the files in $QUORUM_HOME/texts, and what somebody has uploaded."""

import hashlib
import re
import threading
from itertools import chain, count
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.dashboard import login, parts
from app.dashboard.session import widgets
from app.runs.on_this_machine import known_data_sets, told_apart
from core.errors import BadPath, NotAllowed, QuorumError
from core.paths import home
from core.text.corpora import CORPORA
from core.text.local_files import KINDS
from core.text.self_written.prompt_file import SELF
from core.text.streams import PACKED
from core.unfinished import unfinished

_UPLOADS = 20  # of one person
_KEY = "corpus"
_keeping = threading.Lock()  # two uploads of one name, at once


def choose_text(column: DeltaGenerator) -> str:
    """A select box of all that there is; where nobody logs in, any data set, file or folder can be typed as well."""
    alone = login.visitor() is None
    known = known_texts(login.visitor())
    said = told_apart(known)
    chosen = column.selectbox(
        "Calibration text",
        known,
        key=_KEY,
        format_func=lambda name: said.get(name, name),
        accept_new_options=alone,
        help="A named corpus, a text that was put here, or self: what the model itself writes after stored prompts."
        + (
            " Or type owner/name of a data set on the Hugging Face Hub, or the path of a file (.txt, .jsonl, .json, "
            ".csv, .parquet, also as .gz or .zst) or of a folder that datasets saved; or self: and a file of prompts"
            if alone
            else ""
        ),
    )
    chosen = chosen or known[0]
    if not alone and chosen not in known:
        raise NotAllowed(f"There is no text {chosen} here.", "Choose one of the list, or upload your own.")
    return str(chosen)


def show_upload(column: DeltaGenerator) -> None:
    """Takes in a file, which is then chosen."""
    with column.popover("Upload", icon=":material/upload_file:", width="stretch"):
        st.file_uploader(
            "A text of your own",
            [kind.removeprefix(".") for kind in (*KINDS, *PACKED)],
            key="upload",
            on_change=_take_in,
            help="Kept in the folder texts of Quorum's home; a name that another text has gets a number. "
            "A file of more than 10 MB is put there by hand",
        )


def show_refused_upload() -> None:
    """Says why the last file was not taken in, if it was not."""
    if (failed := widgets.told("upload")) is not None:
        parts.show_error(failed)


def known_texts(visitor: str | None) -> list[str]:
    """Named corpora, and the paths of files that everybody, or this visitor alone, finds here.

    Where nobody logs in, also the data sets that the Hub's cache holds.
    """
    folders = [_folder(None), *([_folder(visitor)] if visitor is not None else [])]
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]
    cached = known_data_sets() if visitor is None else []
    return [*CORPORA, SELF, *cached, *(str(file) for file in files if file.is_file() and not file.name.startswith("."))]


def keep(name: str, content: bytes, visitor: str | None) -> Path:
    """Keeps an uploaded file under its name, in place of an earlier one of the same person.

    Where nobody logs in, an earlier one may be anybody's and stays: a different text gets a number behind its name.

    Raises:
        BadPath: a name that is none.
        NotAllowed: a visitor has as many as one may.
        NotWritable, DiskFull.
    """
    if not re.fullmatch(r"[^\W_][\w .+-]{0,99}", name):
        raise BadPath(
            f"{name[:100]} is no name for a text.", "Name it with letters, digits, spaces and . _ + -, up to 100."
        )
    folder = _folder(visitor)
    if visitor is not None and len([*folder.glob("*")]) >= _UPLOADS and not (folder / name).exists():
        raise NotAllowed(
            f"You have {_UPLOADS} texts here, as many as one person may.", "Upload under one's name again."
        )
    with _keeping:
        target = folder / name if visitor is not None else _free(folder, name, content)
        with unfinished(target) as file:
            file.write_bytes(content)
    return target


def _free(folder: Path, name: str, content: bytes) -> Path:
    """Where a text finds room: under its name, or the first numbered one that nothing else has: tale-2.jsonl.gz."""
    stem, *endings = name.rsplit(".", 2 if name.lower().endswith(PACKED) else 1)
    numbered = (".".join([f"{stem}-{number}", *endings]) for number in count(2))
    return next(file for one in chain([name], numbered) if _holds(file := folder / one, content) or not file.exists())


def _holds(file: Path, content: bytes) -> bool:
    return file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content


def _folder(visitor: str | None) -> Path:
    own = hashlib.sha256(visitor.encode()).hexdigest()[:16] if visitor is not None else ""
    return home() / "texts" / "visitors" / own if own else home() / "texts"


def _take_in() -> None:
    file = widgets.value("upload")
    if file is None:
        return
    try:
        widgets.set_value(_KEY, str(keep(file.name, file.getvalue(), login.visitor())))
    except QuorumError as error:
        widgets.tell("upload", error)
