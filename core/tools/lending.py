"""A library of a side folder for this process: what Quorum imports itself stays in front of it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from importlib.util import find_spec

from core.tools.side_folder import side_folder

LENT = ("auto-round", "bitsandbytes", "gptqmodel")
_PLACES = ("HF_", "TRANSFORMERS_")  # how the names begin that say where files of the Hub lie


def lend(package: str) -> None:
    """Lets this process import one of LENT that is installed beside, if it is, and not among Quorum's own.

    Any other name changes nothing: it may be what a checkpoint of somebody else says.
    """
    if package not in LENT:
        return
    folder, module = side_folder(package), package.replace("-", "_")
    if find_spec(module) is None and (folder / module).is_dir():
        sys.path.append(str(folder))
        _ask_again()


@contextmanager
def places_kept() -> Iterator[None]:
    """Where files of the Hub lie stays as it was, whatever a library that is imported within says.

    tokenicer, which comes with gptqmodel, sets HF_HOME to a folder of its own in /tmp where a person has set none:
    every process that this one starts afterwards would look for models there, and fetch them once more.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith(_PLACES)}
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith(_PLACES)]:
            if name not in before:
                del os.environ[name]
        os.environ.update(before)


def _ask_again() -> None:
    """transformers remembers which libraries a process had when it first asked, perhaps before this one came."""
    invalidate_caches()
    transformers = sys.modules.get("transformers.utils.import_utils")
    for answer in list(vars(transformers).values()) if transformers else ():
        if callable(forget := getattr(answer, "cache_clear", None)):
            forget()
