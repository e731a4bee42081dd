"""The libraries that make test installs beside, in a home of a test's own."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_INSTALLED = Path(sys.prefix) / "tools"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / "tools").mkdir(parents=True)
    monkeypatch.setenv("QUORUM_HOME", str(folder))
    return folder


@pytest.fixture
def installed(home: Path) -> Callable[[str], None]:
    """Puts a library into the side folders of a home of its own, or skips the test where there is none."""

    def put(library: str) -> None:
        tool = _INSTALLED / library
        if not any(tool.glob(f"{library.replace('-', '_')}-*.dist-info")):
            pytest.skip(f"pip install --no-deps --target .venv/tools/{library} -r requirements-{library}.txt")
        (home / "tools" / library).symlink_to(tool)

    return put
