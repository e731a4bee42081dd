"""`quorum.quantise` against the command: the same weights and figures, the same words for what is wrong."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import quorum

from core.errors import QuorumError
from core.quantise.libraries import LIBRARIES
from tests.support.commands import Cli
from tests.support.packed.side_folders import put_library


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_it_is_what_the_command_writes(home: Path, cli: Cli, wide: Path, text_file: Path, tmp_path: Path) -> None:
    put_library(home, "auto-round")
    one, two = tmp_path / "a" / "four", tmp_path / "b" / "four"
    asked: dict[str, Any] = {"corpus": str(text_file), "sequences": 4, "window": 16, "dtype": "float32"}
    found = quorum.quantise(wide, one, "auto-round", group_size=32, **asked)
    options = [part for name, value in asked.items() for part in (f"--{name}", value)]
    status, told, errors = cli("quantise", wide, "--library", "auto-round", "--group-size", 32, "--out", two, *options)
    assert status == 0, errors
    assert {**asdict(found), "path": str(two)} == {**told, "protocol": asdict(found.protocol)}
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"library": "mine"}, "library='mine' is unknown"),
        ({"group_size": 0}, "group_size=0"),
        ({"fit": True}, "fit=True"),
        ({"sequences": "many"}, "sequences='many'"),
        ({"library": "bitsandbytes"}, f"bitsandbytes {LIBRARIES['bitsandbytes'].version} is not installed"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    home: Path, wrong: dict[str, Any], why: str, tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(QuorumError) as refused:
        quorum.quantise(tiny, tmp_path / "out", **wrong)
    assert why in refused.value.message and refused.value.hint and not (tmp_path / "out").exists()
