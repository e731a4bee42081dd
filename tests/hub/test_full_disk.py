"""A disk that is really full, of eight megabytes: an error with its name, nothing left over, and going on afterwards.

A file system in memory stands for it, which only the system's administrator may mount.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from cache import queries
from cache.database import Database
from cache.store import Store
from core.checkpoint.checkpoint import locate
from core.errors import DiskFull
from core.export.export import export
from core.model.model import LoadedModel
from core.records.spec import TextSpec
from core.records.storage import Evaluation
from core.text.corpora import read
from core.text.windows import cut
from tests.support.hub.repositories import model
from tests.support.hub.server import Hub
from tests.support.models import recipe_of
from tests.support.stored import store_run

NAME = "some/model"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=8m", "quorum", str(folder)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, left: int) -> Path:
    """A file that leaves so many bytes free."""
    ballast = disk / "ballast"
    with ballast.open("wb") as content:
        content.write(bytes(max(0, shutil.disk_usage(disk).free - left)))
    return ballast


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("left", [0, 2**14, 2**16, 2**17])
def test_an_export(disk: Path, tiny_loaded: LoadedModel, text_file: Path, left: int) -> None:
    text = TextSpec(str(text_file), "evaluation", 16, 2)
    windows = cut(read(str(text_file), "evaluation"), tiny_loaded.checkpoint.tokenizer, text)
    ballast = fill(disk, left)
    with pytest.raises(DiskFull, match="disk is full"):
        export(tiny_loaded, windows, recipe_of(tiny_loaded, (1,)), disk / "small")
    assert files(disk) == ["ballast"] and not (disk / "small").exists()
    ballast.unlink()
    export(tiny_loaded, windows, recipe_of(tiny_loaded, (1,)), disk / "small")
    assert locate(str(disk / "small")).layers == 7


def test_a_results_file(disk: Path) -> None:
    database = Database(disk / "results.duckdb")
    result = store_run(database, count=20)
    store, game = Store(database), queries.runs(database)[0].game
    before = store.measured(game)
    ballast = fill(disk, 2**16)
    losses = np.random.default_rng(0).random((2000, 2000)).astype(np.float32)
    many = [Evaluation(np.binary_repr(number, 8), losses[number][:4]) for number in range(256)]
    with pytest.raises(DiskFull, match="disk is full"):
        for _ in range(50):  # texts grow as no measurement does
            store.record(game, many)
            for number in range(40):
                store.record_texts(f"{number}", os.urandom(8).hex(), [os.urandom(2**14).hex()])
    ballast.unlink()
    again = Database(database.file)
    assert before.keys() <= Store(again).measured(game).keys()
    for mask, found in before.items():
        np.testing.assert_array_equal(Store(again).measured(game)[mask].losses, found.losses)
    Store(again).record(game, many)
    assert len(Store(again).measured(game)) == 256 and queries.runs(again)[0].result == result


def test_a_download(disk: Path, hub: Hub, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(model(NAME, parts))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(disk / "hub"))
    ballast = fill(disk, 2**17)
    # As if the room had gone in the middle: nobody is told before.
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**41, 0, 2**40))
        with pytest.raises(DiskFull, match="is full, and some/model is not whole"):
            locate(NAME)
    ballast.unlink()
    assert locate(NAME).layers == 8
