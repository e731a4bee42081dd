"""What is being made appears whole or not at all; of what a killed process left, nothing stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.root import ROOT
from core.errors import DiskFull, NotWritable
from core.paths import write_errors
from core.unfinished import Unfinished, sweep, unfinished

# Makes a file and a folder beside each other, says so, and waits to be killed.
HOLDER = """
import sys, time
from pathlib import Path
from core.unfinished import Unfinished
folder, file = (Unfinished(Path(sys.argv[1]) / name) for name in ("model", "evaluations.parquet"))
folder.path.mkdir()
(folder.path / "model.safetensors").write_bytes(b"half")
file.path.write_bytes(b"half")
print("made", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_it_appears_when_it_is_whole(tmp_path: Path, own_home: Path) -> None:
    for target in (tmp_path / "new" / "folder", tmp_path / "new" / "empty"):
        if target.name == "empty":
            target.mkdir()
        with unfinished(target) as part:
            part.mkdir()
            (part / "inside").write_text("x")
            assert not target.exists() or not any(target.iterdir())
        assert [file.name for file in target.iterdir()] == ["inside"]
    (tmp_path / "file").write_bytes(b"")  # left by an earlier release on a full disk
    with unfinished(tmp_path / "file") as part:
        part.write_text("whole")
    assert (tmp_path / "file").read_text() == "whole"
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"folder", "empty"}
    assert not any((own_home / "unfinished").iterdir())


def test_nothing_appears_of_what_failed(tmp_path: Path, own_home: Path) -> None:
    for failure in (RuntimeError("bug"), KeyboardInterrupt(), OSError(28, "No space left on device")):
        with (
            pytest.raises(DiskFull if isinstance(failure, OSError) else type(failure)),
            unfinished(tmp_path / "x") as part,
        ):
            part.mkdir()
            (part / "inside").write_text("x")
            raise failure
    assert [path.name for path in tmp_path.iterdir()] == ["home"] and not any((own_home / "unfinished").iterdir())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Error while serializing: I/O error: No space left on device (os error 28)", DiskFull),
        ("File too large (os error 27)", DiskFull),
        ("Permission denied (os error 13)", NotWritable),
    ],
)
def test_libraries_in_rust_have_the_same_reasons(tmp_path: Path, text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind), write_errors(tmp_path):
        raise Exception(text)
    with pytest.raises(Exception, match=r"^a bug$"), write_errors(tmp_path):
        raise Exception("a bug")


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_makes_is_not(tmp_path: Path, own_home: Path) -> None:
    living = Unfinished(tmp_path / "mine")
    living.path.mkdir()
    held = [
        subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / name], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for name in ("killed", "alive")
    ]
    for process in held:
        assert process.stdout is not None and process.stdout.readline() == "made\n"
    sweep()
    assert len(list((tmp_path / "killed").iterdir())) == 2
    os.kill(held[0].pid, signal.SIGKILL)
    held[0].wait()
    sweep()
    assert not any((tmp_path / "killed").iterdir())
    assert len(list((tmp_path / "alive").iterdir())) == 2 and living.path.is_dir()
    held[1].kill()
    held[1].wait()
    living.drop()
    sweep()
    assert not any((tmp_path / "alive").iterdir()) and not any((own_home / "unfinished").iterdir())


def test_a_note_leads_nowhere_else(tmp_path: Path, own_home: Path) -> None:
    """Nothing is removed but what bears the note's own name."""
    (tmp_path / "precious").mkdir()
    (own_home / "unfinished").mkdir(parents=True)
    for name, text in (("ab", str(tmp_path / "precious")), ("cd", ""), ("ef", "\0"), ("01", str(tmp_path))):
        (own_home / "unfinished" / name).write_text(text)
        (own_home / "unfinished" / f"{name}.lock").write_text("")
    sweep()
    assert (tmp_path / "precious").is_dir() and not any((own_home / "unfinished").glob("[ac0]*"))
