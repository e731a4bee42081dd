"""A model's folder as a program of another project sees it: under one name, without code, with no network behind it."""

import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def bare_folder(folder: Path, tool: Path, without: Collection[str] = ()) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder named `model` of links to the files of one, and the environment of a program that reads it.

    Such programs would execute code that lies there, or that the Hub or its cache has, and some write the folder's name
    into what they make.

    Args:
        folder: the model.
        tool: the side folder that holds the program.
        without: files that it shall not see, by name.
    """
    with tempfile.TemporaryDirectory() as held:
        seen = Path(held) / "model"
        seen.mkdir()
        for part in folder.iterdir():
            if part.is_file() and part.suffix not in (".py", ".gguf") and part.name not in without:
                (seen / part.name).symlink_to(part.resolve())
        offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": held, "HF_MODULES_CACHE": held}
        yield seen, os.environ | offline | {"PYTHONPATH": str(tool), "PYTHONDONTWRITEBYTECODE": "1"}
