"""`report` and `figures`: what they write, and every wrong request named before anything is drawn."""

import errno
import shutil
from pathlib import Path

import pandas as pd
import pytest

from app.example import shipped
from app.export import figure_files, report, vector
from app.export.run_figures import usual_removal
from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from cache.store import Store
from core.records.spec import RunSpec
from core.selection.removal_paths import least_contributing
from tests.support.commands import Cli
from tests.support.stored import MODEL, PROTOCOL


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("shipped") / "results.duckdb"
    shipped.load_into(Database(file))
    return file


@pytest.fixture
def example(loaded: Path, cache_file: Path) -> StoredRun:
    """The run that ships, alone in the results file."""
    shutil.copyfile(loaded, cache_file)
    [run] = queries.runs(Database(cache_file))
    return run


def test_the_removal_is_named_as_for_an_export(cli: Cli, example: StoredRun, cache_file: Path, tmp_path: Path) -> None:
    database, result = Database(cache_file), example.result
    assert result is not None
    plan = next(plan for plan in queries.find_selection(database, example.run).plans if plan.count == 3)
    ways = {
        ("--remove", "25,11"): (11, 25),
        ("--count", 2): least_contributing(result.overall, 2),
        ("--plan", 3): plan.removed,
        (): usual_removal(database, example),
    }
    for number, (way, removed) in enumerate(ways.items()):
        file = tmp_path / "new" / f"{number}.html"
        status, answer, errors = cli("report", example.run[:5], *way, "--out", file)
        assert status == 0, errors
        assert file.read_bytes() == report.report_of(database, example, removed)
        assert answer == {
            "path": str(file), "run": example.run, "removed": list(removed), "bytes": file.stat().st_size,
        }  # fmt: skip


def test_figures_are_files(cli: Cli, example: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector, "browser", lambda: None)
    (tmp_path / "empty").mkdir()
    status, answer, errors = cli("figures", "latest", "--remove", "11", "--out", tmp_path / "empty")
    assert status == 0, errors
    assert answer["removed"] == [11] and answer["run"] == example.run
    assert answer["files"] == sorted(file.name for file in (tmp_path / "empty").iterdir())
    assert {"plans.csv", "plans.html", "strip.svg"} <= set(answer["files"])
    for data in (tmp_path / "empty").glob("*.csv"):
        rows = data.with_suffix(".tex").read_text().splitlines()
        assert len(rows) == 7 + len(pd.read_csv(data)), "a line each, the head, and what stands around them"
    again = cli("figures", "latest", "--remove", "11", "--out", tmp_path / "empty")[1]
    assert again["error"]["message"].endswith("empty exists already.")


BAD = {
    "no such run": (["zzzz"], "RunNotFound"),
    "no such layer": (["RUN", "--remove", "30"], "SelectionError"),
    "a layer twice": (["RUN", "--remove", "3,3"], "SelectionError"),
    "no layer": (["RUN", "--remove", ""], "SelectionError"),
    "every layer": (["RUN", "--remove", ",".join(map(str, range(30)))], "SelectionError"),
    "a count of none": (["RUN", "--count", "0"], "SelectionError"),
    "a count of all": (["RUN", "--count", "30"], "SelectionError"),
    "no such plan": (["RUN", "--plan", "29"], "SelectionError"),
    "nothing found yet": (["young"], "RunNotFound"),
}


@pytest.mark.parametrize("command", ["report", "figures"])
@pytest.mark.parametrize("wrong", BAD)
def test_wrong_requests(
    command: str,
    wrong: str,
    cli: Cli,
    example: StoredRun,
    cache_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing_is_drawn(monkeypatch)
    store = Store(Database(cache_file))
    young = store.begin(store.open_game(MODEL, PROTOCOL), RunSpec(), PROTOCOL, (5, 4, 3))
    words, kind = BAD[wrong]
    typed = [{"RUN": example.run, "young": young}.get(word, word) for word in words]
    status, answer, _ = cli(command, *typed, "--out", tmp_path / "new" / "out")
    assert (status, answer["error"]["kind"]) == (1, kind) and answer["error"]["hint"]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["report", "figures"])
@pytest.mark.parametrize("place", ["a file", "a folder", "an environment", "packages", "below a file", "the disk", "~"])
def test_where_nothing_may_be_written(
    command: str, place: str, cli: Cli, example: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_is_drawn(monkeypatch)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("mine")
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    out, kind = {
        "a file": (tmp_path / "folder" / "file", "ExportError"),
        "a folder": (tmp_path / "folder", "ExportError"),
        "an environment": (tmp_path / "env" / "bin" / "out", "ExportError"),
        "packages": (tmp_path / "site-packages" / "out", "ExportError"),
        "below a file": (tmp_path / "folder" / "file" / "out", "NotWritable"),
        "the disk": ("/proc/out/new", "NotWritable"),
        "~": ("~nobody-is-called-so/out", "BadPath"),
    }[place]
    status, answer, _ = cli(command, example.run, "--remove", "11", "--out", out)
    assert (status, answer["error"]["kind"]) == (1, kind), answer
    assert (tmp_path / "folder" / "file").read_text() == "mine"
    assert [file.name for file in (tmp_path / "env").rglob("*")] == ["pyvenv.cfg"]


def test_a_disk_that_is_full_leaves_nothing(
    cli: Cli, example: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def full_of_pages(file: Path, text: str, **how: str) -> int:
        return full() if file.suffix == ".csv" else written(file, text, **how)

    written = Path.write_text
    monkeypatch.setattr(vector, "browser", lambda: None)
    monkeypatch.setattr(Path, "write_bytes", full)
    assert cli("report", example.run, "--out", tmp_path / "r.html")[1]["error"]["kind"] == "DiskFull"
    monkeypatch.setattr(Path, "write_text", full_of_pages)
    assert cli("figures", example.run, "--out", tmp_path / "f")[1]["error"]["kind"] == "DiskFull"
    assert not [file for file in tmp_path.iterdir() if not file.name.startswith("results")]


def nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*_: object) -> None:
        raise AssertionError("something was drawn")

    monkeypatch.setattr(report, "report_of", drawn)
    monkeypatch.setattr(figure_files, "write_figures", drawn)
