"""A library of a side folder for this process: what Quorum imports itself stays in front of it."""

import sys
from importlib.util import find_spec

from core.tools.side_folder import side_folder


def lend(package: str) -> None:
    """Lets this process import a package that is installed beside, if it is, and not among Quorum's own."""
    folder = side_folder(package)
    module = package.replace("-", "_")
    if find_spec(module) is None and (folder / module).is_dir():
        sys.path.append(str(folder))
