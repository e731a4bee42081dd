"""The libraries that make test installs beside, in a home of a test's own."""

import sys
from pathlib import Path

import pytest

_INSTALLED = Path(sys.prefix) / "tools"


def put_library(home: Path, library: str) -> None:
    """Puts a library into the side folders of a home, or skips the test where there is none."""
    tool = _INSTALLED / library
    if not any(tool.glob(f"{library.replace('-', '_')}-*.dist-info")):
        pytest.skip(f"pip install --no-deps --target .venv/tools/{library} -r requirements-{library}.txt")
    (home / "tools").mkdir(parents=True, exist_ok=True)
    (home / "tools" / library).symlink_to(tool)
