"""A library of a side folder for this process: what Quorum imports itself stays in front of it."""

import sys
from importlib import invalidate_caches
from importlib.util import find_spec

from core.tools.side_folder import side_folder

LENT = ("auto-round", "bitsandbytes", "gptqmodel")


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


def _ask_again() -> None:
    """transformers remembers which libraries a process had when it first asked, perhaps before this one came."""
    invalidate_caches()
    transformers = sys.modules.get("transformers.utils.import_utils")
    for answer in list(vars(transformers).values()) if transformers else ():
        if callable(forget := getattr(answer, "cache_clear", None)):
            forget()
