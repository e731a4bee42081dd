"""A home of a test's own, and what is installed beside in it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.packed.side_folders import put_library


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / "tools").mkdir(parents=True)
    monkeypatch.setenv("QUORUM_HOME", str(folder))
    return folder


@pytest.fixture
def installed(home: Path) -> Callable[[str], None]:
    """Puts a library into the side folders of that home, or skips the test where there is none."""
    return partial(put_library, home)
