"""What a model's folder may hold, checked before anything in it is loaded: text and headers, links, never code.

transformers would stop at some of this, in the middle and in its own words; at some it would run out of memory; and
what it follows out of the folder changes from release to release.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.checkpoint.headers import INDEX, headers, leaves, read_object, shards_of
from core.errors import ModelNotFound, UnsafeWeights, UnsupportedModel
from core.files import regular_size
from core.paths import is_there

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Files of settings, which name classes and other files.
_SETTINGS = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "processor_config.json",
    "preprocessor_config.json",
)
# Numbers that configurations make lists of, one item for each; the deepest and widest models have some hundreds.
# `n_layer` is such a number; `feature_layer` and `select_layer` are which layer, and -2 is the last but one.
_COUNTS, _MOST = re.compile(r"^((n|num)_(\w+_)?(layer|block)|(\w+_)?(layers|heads?|experts?|blocks|depths?))$"), 10_000
# Bytes of files that transformers reads whole, and makes much larger things of; by their endings.
_LONGEST = {".json": 2**26, ".txt": 2**26, ".model": 2**26, ".jinja": 2**21, ".jsonl": 2**26, ".tiktoken": 2**26}
# Earlier releases of transformers left the path of a cache there, and nothing opens it.
_NEVER_OPENED = {"special_tokens_map_file"}


def packed_in(path: Path) -> Path | None:
    """What a path names of GGUF files: one of them, or a folder that holds no safetensors beside them."""
    if path.is_dir():
        return path if any(path.glob("*.gguf")) and not any(path.glob("*.safetensors")) else None
    return path if path.exists() and path.suffix.lower() == ".gguf" else None


def check_local(folder: Path) -> None:
    """Refuses what is no folder with safetensors that may be read.

    Raises:
        ModelNotFound: it holds no weights, or no settings beside them.
        UnsafeWeights, UnsupportedModel: as of `check_folder`, and pickles.
    """
    if not folder.is_dir():
        raise ModelNotFound(
            f"{folder} is neither a folder nor a .gguf file.", "Give the folder that holds config.json."
        )
    check_adapter(folder)
    if any(folder.glob("*.safetensors")):
        if not (folder / "config.json").is_file():
            raise ModelNotFound(
                f"{folder} has weights and no config.json.", "Give the folder that save_pretrained wrote."
            )
        check_folder(folder)
        check_code(folder)
        return
    if any(any(folder.glob(pattern)) for pattern in _PICKLES):
        raise UnsafeWeights(
            f"{folder} holds pickle weights only, and loading those can execute code.",
            "Save them as safetensors first: model.save_pretrained(folder) in a place where you trust the file.",
        )
    raise ModelNotFound(f"{folder} holds no weights.", "Give a folder with config.json and .safetensors files.")


def check_folder(folder: Path) -> None:
    """Refuses what leads out of a folder, what would execute code, and what is damaged or of an absurd size.

    Raises:
        UnsafeWeights: links or names that leave the folder, code, kernels, an adapter to another model.
        UnsupportedModel: files that cannot be read as what they are named, or shards that are missing.
    """
    for file in [*folder.iterdir(), *folder.glob("additional_chat_templates/*")]:
        if not file.is_dir():  # nothing reads other folders
            _check_link(folder, file)
            _check_size(file)
    settings = {name: read_object(folder / name) for name in _SETTINGS if (folder / name).is_file()}
    for name, fields in settings.items():
        _check_fields(name, fields)
    check_adapter(folder)
    if (folder / INDEX).is_file():  # whether it is read or not
        shards_of(INDEX, read_object(folder / INDEX))
    if not headers(folder):
        raise UnsupportedModel("The safetensors files hold no tensors.", "Download or copy the model again.")


def check_adapter(folder: Path) -> None:
    """Refuses an adapter, and a whole model whose folder would make peft load one.

    Where weights are whole and no adapter's lie beside them, adapter_config.json is left over from merging, and
    transformers does not look at it unless peft is installed.
    """
    if not (folder / "adapter_config.json").exists():
        return
    whole = (
        any((folder / name).is_file() for name in (INDEX, "model.safetensors")) and (folder / "config.json").exists()
    )
    if not whole:
        raise UnsafeWeights(
            f"{folder.name} is an adapter: its weights belong to a model elsewhere, which adapter_config.json names.",
            "Merge it into its model first (peft's merge_and_unload, then save_pretrained), and give that folder.",
        )
    beside = any(folder.glob("adapter_model*"))
    if beside or find_spec("peft") is not None:
        raise UnsafeWeights(
            f"{folder.name} holds a whole model and "
            + ("an adapter beside it" if beside else "adapter_config.json, which peft, installed here, would follow")
            + ": which of them is meant cannot be told.",
            "If the adapter has been merged into the weights, delete adapter_config.json and adapter_model files; "
            "otherwise merge it first (peft's merge_and_unload, then save_pretrained into a new folder).",
        )


def check_code(folder: Path) -> None:
    """Refuses a folder that brings code of its own: what its author means by the model may be that code.

    Where transformers knows the architecture and the code is not there, as in what is fetched from the Hub, `auto_map`
    is a name that nothing follows.
    """
    for name in _SETTINGS:
        fields = read_object(folder / name) if (folder / name).is_file() else {}
        for reference in map(str, _values(fields.get("auto_map", {}))):
            module = reference.rpartition(".")[0]
            if "--" in module or is_there(folder / f"{module}.py"):
                raise UnsafeWeights(
                    f"{name} asks for code of its own, {reference[:100]}, which Quorum never executes.",
                    f"If transformers' own class computes the same model, delete the entry auto_map from {name}.",
                )


def _check_link(folder: Path, file: Path) -> None:
    """A link may stay in the folder; a snapshot of the Hub's cache links to the blobs beside it."""
    target, home = file.resolve(), folder.resolve()
    blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else home
    if not (target.is_relative_to(home) or target.is_relative_to(blobs)):
        raise UnsafeWeights(
            f"{file.name} is a link that leads out of the folder, to {target}.",
            "Put the file itself into the folder, if it is meant to be there.",
        )


def _check_size(file: Path) -> None:
    """Refuses what reading would wait for, and text that is longer than any model's."""
    try:
        size = regular_size(file)
    except (OSError, ValueError) as cause:
        raise UnsupportedModel(f"{file.name} cannot be read: {cause}.", "Take it out of the folder.") from cause
    if size > _LONGEST.get(file.suffix.lower(), size):
        raise UnsupportedModel(
            f"{file.name} has {size:,} bytes, which no model needs.", "Download or copy the model again."
        )


def _check_fields(name: str, fields: dict[str, Any]) -> None:
    for key, value in _entries(fields):
        if "implementation" in key and any("/" in str(item) for item in _values(value)):
            raise UnsafeWeights(
                f"{name} asks for a kernel from elsewhere ({key}: {str(value)[:100]}), which would be executed.",
                f"Delete the entry {key} from {name}.",
            )
        opened = key == "transformers_weights" or (key.endswith(("_file", "_files")) and key not in _NEVER_OPENED)
        if opened and any(isinstance(item, str) and leaves(item) for item in _values(value)):
            raise UnsafeWeights(
                f"{name} points out of the folder ({key}: {str(value)[:100]}).",
                f"Delete the entry {key} from {name}, and put the file itself into the folder.",
            )
        if name == "config.json" and _absurd(key, value):
            raise UnsupportedModel(
                f"config.json asks for {key}: {str(value)[:60]}, which no model has.",
                "Correct config.json, or download the model again.",
            )


def _absurd(key: str, value: Any) -> bool:
    """Whether a number counts what things are made for, one by one, and is none that a model has."""
    if _COUNTS.search(key) is None:
        return False
    if isinstance(value, int | float):
        return not 0 <= value <= _MOST
    return any(isinstance(item, int | float) and not abs(item) <= _MOST for item in _values(value))


def _entries(fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """All entries, those of inner objects too."""
    for key, value in fields.items():
        yield key, value
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from _entries(item)


def _values(value: Any) -> Iterator[Any]:
    """What is at the ends of a value that may be a list or an object."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if items is None:
        yield value
    else:
        for item in items:
            yield from _values(item)
