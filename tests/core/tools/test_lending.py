"""Which libraries of side folders a process takes, and which names it does not even look at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.tools.lending import LENT, lend, places_kept


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


_ASKED_BEFORE = """
import sys
from core.tools.lending import lend
from transformers.utils import import_utils

asked = getattr(import_utils, f"is_{sys.argv[2]}_available")
before = asked()
lend(sys.argv[1])
print(before, asked())
"""


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("auto-round", "auto_round"),
        ("bitsandbytes", "bitsandbytes"),
        ("gptqmodel", "gptqmodel"),
        ("gptqmodel", "optimum"),  # which transformers asks for beside it
    ],
)
def test_transformers_sees_a_library_that_it_did_not_find_before(library: str, package: str, tmp_path: Path) -> None:
    for module in {library.replace("-", "_"), package}:
        folder = tmp_path / "tools" / library / module
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text('__version__ = "99.0"')
    told = subprocess.run(
        [sys.executable, "-c", _ASKED_BEFORE, library, package],
        env={**os.environ, "QUORUM_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["False", "True"]


def test_a_library_does_not_say_where_files_of_the_hub_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_MODULES_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", "/mine")
    monkeypatch.setenv("HF_TOKEN_PATH", "/mine/token")
    monkeypatch.delenv("OF_A_LIBRARY", raising=False)
    before = dict(os.environ)
    with pytest.raises(ImportError), places_kept():
        os.environ["HF_MODULES_CACHE"] = os.environ["HF_HOME"] = os.environ["OF_A_LIBRARY"] = "/its"
        del os.environ["HF_TOKEN_PATH"]
        raise ImportError
    assert os.environ.pop("OF_A_LIBRARY") == "/its", "what it sets for itself is its own"
    assert dict(os.environ) == before
