"""A model's folder as a program of another project sees it: under one name, without code, with no network behind it."""

import json
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.files import json_of

# All that such a program has of our environment: no cache and no token of the Hub, and no path to other packages.
_NEEDED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV"),
    *("LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
)
_CODE = "auto_map"  # where settings name Python files, here or in a repository of the Hub


@contextmanager
def bare_folder(folder: Path, tool: Path, without: Collection[str] = ()) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder named `model` of links to the files of one, and the environment of a program that reads it.

    Such programs would execute code that lies there, or that the settings name in the Hub or its cache, and some write
    the folder's name into what they make. So code is left out, settings name none, and the cache holds nothing.

    Args:
        folder: the model.
        tool: the side folder that holds the program.
        without: files that it shall not see, by name.
    """
    with tempfile.TemporaryDirectory() as held:
        seen = Path(held) / "model"
        seen.mkdir()
        for part in folder.iterdir():
            if not part.is_file() or part.suffix in (".py", ".gguf") or part.name in without:
                continue
            if part.name.endswith("config.json"):
                _copy_settings(part, seen / part.name)
            else:
                (seen / part.name).symlink_to(part.resolve())
        environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
        hub = {"HF_HUB_OFFLINE": "1", "HF_HOME": held, "HF_HUB_CACHE": held, "HF_MODULES_CACHE": held}
        yield seen, environment | hub | {"PYTHONPATH": str(tool), "PYTHONDONTWRITEBYTECODE": "1"}


def _copy_settings(source: Path, copy: Path) -> None:
    """Settings without what they name of code; what cannot be read is not copied."""
    try:
        settings = _codeless(json_of(source))
    except (OSError, ValueError, RecursionError):
        return
    copy.write_text(json.dumps(settings, indent=2), encoding="utf-8")


def _codeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _codeless(part) for key, part in value.items() if key != _CODE}
    return [_codeless(part) for part in value] if isinstance(value, list) else value
