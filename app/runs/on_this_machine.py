"""The models and data sets that this machine has already, to choose from: the Hub's cache and the folder of models.

Names and small files alone are read, and the Hub is not asked.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import streamlit as st
from huggingface_hub import constants

from app.words import called
from core.checkpoint.headers import read_object
from core.checkpoint.safety import packed_in
from core.errors import QuorumError
from core.hub.snapshot import CONFIG, on_disk
from core.paths import home
from core.records.spec import BUNDLED
from core.text.corpora import HUB, is_here

_MOST = 200  # of each kind that a list shows
_PREPARED = "gguf.json"  # in a folder that Quorum has made of a GGUF file


def choose_model() -> str:
    """A select box of the models on this machine; any other can be typed."""
    known = known_models()
    said = told_apart(known)
    chosen = st.selectbox(
        "Model",
        known,
        key="model",
        format_func=lambda name: said.get(name, name),
        accept_new_options=True,
        help="Quorum's own, those in the Hub's cache and those in the folder models of Quorum's home. Or type "
        "owner/name or owner/name@revision of the Hugging Face Hub, a local folder, or a .gguf file",
    )
    return str(chosen or BUNDLED).strip()


def known_models() -> list[str]:
    """Quorum's own model, the whole causal models of the Hub's cache, and what lies in the folder of models."""
    cached = [name for name in _cached("models") if _is_causal(name)]
    return [BUNDLED, *cached, *map(str, filter(_is_model, _entries(home() / "models")))]


def known_data_sets() -> list[str]:
    """The data sets of the Hub's cache that need no question to the Hub, but for those that have short names."""
    short = {corpus.name.repository for corpus in HUB.values()}
    return [name for name in _cached("datasets") if name not in short and _is_here(name)]


def told_apart(names: Sequence[str]) -> dict[str, str]:
    """What people call each model or text; a number is added where another one is called the same."""
    said: dict[str, str] = {}
    for name in names:
        label = called(name)
        same = sum(other == label or other.startswith(f"{label} (") for other in said.values())
        said[name] = f"{label} ({same + 1})" if same else label
    return said


def _cached(kind: str) -> list[str]:
    """The repositories of which the Hub's cache has something, as owner/name."""
    folders = _entries(Path(constants.HF_HUB_CACHE).expanduser())
    parts = (folder.name.split("--") for folder in folders)
    return list(islice((f"{part[1]}/{part[2]}" for part in parts if part[0] == kind and len(part) == 3), _MOST))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in islice(folder.iterdir(), 10 * _MOST) if not entry.name.startswith("."))
    except OSError:
        return []


def _is_causal(name: str) -> bool:
    """Whether a model of the Hub is here whole, and is called a causal one; others can be typed."""
    try:
        folder = on_disk(name)
        config = read_object(folder / CONFIG) if folder is not None else {}
    except (QuorumError, OSError):
        return False
    classes = config.get("architectures")
    return any(map(_reads_on, classes)) if isinstance(classes, Iterable) else False


def _reads_on(name: object) -> bool:
    return str(name).endswith(("ForCausalLM", "LMHeadModel"))


def _is_model(path: Path) -> bool:
    try:
        if packed_in(path) is not None:
            return True
        return (path / CONFIG).is_file() and not (path / _PREPARED).exists() and any(path.glob("*.safetensors"))
    except OSError:
        return False


def _is_here(corpus: str) -> bool:
    try:
        return is_here(corpus)
    except QuorumError:  # of its splits, which is meant is not clear
        return False
