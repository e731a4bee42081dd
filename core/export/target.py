"""Where we may write: never over what exists, and never where a program looks for code of its own."""

import re
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.errors import BadPath, ExportError, QuorumError
from core.export.recipes.recipe import Recipe
from core.export.recipes.recipe_file import read_recipe
from core.paths import home, own_name, user_path, write_errors
from core.unfinished import Unfinished

# Folders whose files are run, or say what is run, by name.
_CODE = {"site-packages", "dist-packages", "__pycache__", ".git", "node_modules"}
_NAME = re.compile(r"[^\W_][\w.+@ -]{0,119}")


def check_target(out: Path, recipe: Recipe | None = None) -> Path:
    """The absolute path of a folder that export may create, or that an export of this recipe has written already.

    Raises:
        ExportError: it exists otherwise, or lies inside a Python environment or another place of code.
        NotWritable, DiskFull.
    """
    out = user_path(out).resolve()
    _check_place(out)
    with write_errors(out):
        if recipe is not None and is_complete(recipe, out):
            return out
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            other = ", and is no export of these layers of this model" if recipe is not None else ""
            raise ExportError(f"{out} exists already{other}.", "Choose a new folder with --out DIR.")
        _try(out, Path.mkdir)
    return out


def check_file(out: Path) -> Path:
    """The absolute path of a file that may be written: a new one, or an empty one.

    Raises:
        ExportError: as of `check_target`.
        NotWritable, DiskFull.
    """
    out = user_path(out).resolve()
    _check_place(out)
    with write_errors(out):
        if out.exists() and (not out.is_file() or out.stat().st_size):
            raise ExportError(f"{out} exists already.", "Name a new file with --out FILE.")
        _try(out, Path.touch)
    return out


def is_complete(recipe: Recipe, out: Path) -> bool:
    """Whether an export of this very recipe has written `out`: a folder has its name only when it is complete.

    A GGUF file comes afterwards, if at all.
    """
    try:
        written = read_recipe(out / "quorum.json")
    except QuorumError:
        return False
    named = replace(recipe.spec, model=own_name(recipe.spec.model), corpus=own_name(recipe.spec.corpus))
    written = replace(written, spec=named, gguf=recipe.gguf, trained=recipe.trained and written.trained)
    return written == replace(recipe, spec=named, heal=recipe.named_heal)


def _try(out: Path, make: Callable[[Path], None]) -> None:
    """Makes something beside what will be written, and removes it: fails where writing would."""
    out.parent.mkdir(parents=True, exist_ok=True)
    room = Unfinished(out)
    try:
        make(room.path)
    finally:
        room.drop()


def named_target(name: str) -> Path:
    """The folder of an export that somebody names on the dashboard: $QUORUM_HOME/exports/NAME, or BadPath."""
    name, folder = name.strip(), home() / "exports"
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise BadPath(
            f"{name[:100] or 'Nothing'} is no name of a folder of exports.",
            "Name it with letters, digits, spaces and . _ - + @, beginning with a letter or digit, up to 120 of them; "
            "the command line exports to any folder (--out DIR).",
        )
    if (folder / name).resolve().parent != folder.resolve():
        raise BadPath(f"{name} is a link that leads out of the folder of exports.", "Choose another name.")
    return folder / name


def _check_place(out: Path) -> None:
    """ExportError for a place whose files Python or git would take for their own."""
    environments = {Path(sys.prefix), Path(sys.base_prefix), *map(Path, sysconfig.get_paths().values())}
    environments |= {folder for folder in (out, *out.parents) if (folder / "pyvenv.cfg").exists()}
    inside = [folder.resolve() for folder in environments if out.is_relative_to(folder.resolve())]
    searched = any(out == Path(entry or ".").resolve() for entry in sys.path)
    named = next((part for part in out.parts if part.lower() in _CODE), None)
    # A system's Python has / or a home as its prefix nowhere; where it had, everything would be inside it.
    inside = [folder for folder in inside if folder != Path(folder.anchor)]
    if inside or searched or named:
        raise ExportError(
            f"{out} is a place of code: "
            + (f"it lies in {named}." if named else "Python looks for modules there, or its environment is there."),
            "Choose a folder of its own, outside Python environments and repositories' own folders: --out DIR.",
        )
