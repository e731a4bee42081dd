"""A results file of the release before the rooms: what it says is read as it was written, and shown as it was shown.

data/release_0_1.json holds the rows of such a file, and what that release answered to commands about them.
"""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from cache import evaluations, queries
from cache.database import Database
from core.records.spec import RunSpec
from tests.support.commands import Cli

EARLIER: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "release_0_1.json").read_text())

NO_SELECTION = not EARLIER["tables"].get("selections")

# What later releases say beside that, of a run that knew nothing of it.
ADDED: dict[str, dict[str, Any]] = {
    "model": {"commit": "", "attention": []},
    "spec": {"field": "", "preset": ""},
    "protocol": {"field": "", "preset": ""},
}


@pytest.fixture
def earlier(cache_file: Path) -> Database:
    """The file, with every row as that release wrote it."""
    database = Database(cache_file)
    with database.writing() as connection:
        for table, rows in EARLIER["tables"].items():
            for row in rows:
                places = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", [*row.values()])
    return database


@pytest.mark.parametrize("command", EARLIER["answers"])
def test_it_is_shown_as_it_was(earlier: Database, cli: Cli, command: str) -> None:
    status, answer, errors = cli(*shlex.split(command))
    assert status == 0, errors
    found, then = _as_then(answer), dict(EARLIER["answers"][command])
    for estimates, name in (("values", ("layer",)), ("pairs", ("first", "second"))):
        if estimates in then:
            _agree(found.pop(estimates), then.pop(estimates), name)
            quality, before = found.pop("surrogate"), then.pop("surrogate")
            assert quality["name"] == before["name"] and quality["masks"] == before["masks"]
            assert quality["r2"] > before["r2"] - 0.05
            assert found.pop("halves", None) == then.pop("halves", None)
    assert_alike(found, then)


def assert_alike(found: Any, then: Any) -> None:
    """The same, but for the last digits of numbers, which are the processor's."""
    if isinstance(then, dict):
        assert found.keys() == then.keys()
        for name, value in then.items():
            assert_alike(found[name], value)
    elif isinstance(then, list):
        assert len(found) == len(then)
        for one, other in zip(found, then, strict=True):
            assert_alike(one, other)
    else:
        assert found == (pytest.approx(then, rel=1e-12, nan_ok=True) if isinstance(then, float) else then)


def _agree(found: list[dict[str, Any]], then: list[dict[str, Any]], name: tuple[str, ...]) -> None:
    """Estimates are better since: of the same layers, each within that release's interval or one that meets it."""
    before = {tuple(item[part] for part in name): item for item in then}
    now = {tuple(item[part] for part in name): item for item in found}
    assert now.keys() == before.keys()
    meet = [item["low"] <= before[key]["high"] and before[key]["low"] <= item["high"] for key, item in now.items()]
    assert sum(meet) >= 0.9 * len(meet)


def _as_then(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what has been added to it since, which must have the values named here."""
    for part, added in ADDED.items():
        if isinstance(answer.get(part), dict):
            assert {name: answer[part].pop(name) for name in added} == added
    if "search" in answer:  # of a run, which had to be searched for by a command of its own then
        assert answer.pop("search").endswith(answer["run"]) and (answer.pop("plans") is None) is NO_SELECTION
    if "shares" in answer:
        assert answer.pop("optimism") == 0.0, "no set stood out then"
    if "spent" in answer:
        assert answer.pop("plain") is None, "nobody counted it then"
        assert answer.pop("draft") is None and answer.pop("limits") == [], "nothing of that was asked"
        assert answer.pop("compensated") is None, "nor that"
        assert answer.pop("earlier") == 0, "nor other texts"
    if "name" in answer:
        nothing = {"name": "", "note": "", "archived": False, "deleted": None}
        assert {key: answer.pop(key) for key in nothing} == nothing, "runs had no labels"
    if "imported" in answer:
        assert answer.pop("imported") == {}
    if "basis" in answer:
        assert answer.pop("basis") == {"own": 60, "further": 0, "refitted": False}
        answer.pop("measured", None)
    for part in (answer, *answer.get("plans", ()), *answer.get("nested", ())):
        assert part.pop("uncached", False) is False
    return answer


def test_all_of_it_is_read(earlier: Database) -> None:
    [run], [row] = queries.runs(earlier), EARLIER["tables"]["runs"]
    assert run.result is not None and run.spec == RunSpec(
        "some/model", "some/tale.txt", 4, 16, masks=60, dtype="float32"
    )
    assert run.result.surrogate.r2 == json.loads(row["result"])["surrogate"]["r2"]
    found = queries.diagnostics(earlier, run.run)
    assert found is not None and len(found.masks) == run.result.surrogate.masks
    assert len(evaluations.measurements(earlier, run)) == len(EARLIER["tables"]["evaluations"]) - 1
    assert len(evaluations.divergences(earlier, run)) == len(EARLIER["tables"]["divergences"]) - 1
