"""Which libraries of side folders a process takes, and which names it does not even look at."""

import sys
from pathlib import Path

import pytest

from core.tools.lending import LENT, lend


@pytest.mark.parametrize("name", [*LENT, "json.tool", ".hidden", "anything"])
def test_only_known_libraries_are_taken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("core.tools.lending.find_spec", lambda module: None)
    before = list(sys.path)
    lend(name)
    assert sys.path == before, "it is not there"
    folder = tmp_path / "tools" / name
    (folder / name.replace("-", "_")).mkdir(parents=True)
    lend(name)
    assert sys.path == before + [str(folder)] * (name in LENT), "and last, behind Quorum's own"


def test_what_quorum_has_is_not_taken_from_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("core.tools.lending.LENT", ("numpy",))
    (tmp_path / "tools" / "numpy" / "numpy").mkdir(parents=True)
    before = list(sys.path)
    lend("numpy")
    assert sys.path == before
