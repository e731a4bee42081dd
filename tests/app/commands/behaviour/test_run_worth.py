"""A run with a task as a worth is the run, then `needs` of it: the same numbers, refused early, and resumed."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cache import queries
from cache.database import Database
from core.coalitions.masks import Masks, encode
from core.records.behaviour.task_scores import Answer
from core.tasks.items import Item
from core.tasks.likelihood import Likelihoods
from tests.support.commands import Cli


@pytest.fixture
def small(tiny: Path, text_file: Path) -> tuple[object, ...]:
    """A run of few coalitions on the tiny model."""
    model = ("--model", tiny, "--dtype", "float32", "--corpus", text_file)
    return ("run", *model, "--sequences", 4, "--window", 16, "--masks", 40)


def test_it_is_the_run_and_then_its_needs(cli: Cli, small: tuple[object, ...], copa: Path, tmp_path: Path) -> None:
    worth = ("--worth", "margin:copa", "--data", copa, "--limit", 5)
    status, together, errors = cli(*small, *worth)
    assert status == 0, errors
    asked, other = ("--tasks", "copa", "--data", copa, "--limit", 5), tmp_path / "other.duckdb"
    alone = cli(*small, cache=other)[1]
    sizes = [plan["count"] for plan in alone["plans"]]
    assert sizes
    needs = cli("needs", "latest", *asked, "--pairs", "--plans", ",".join(map(str, sizes)), cache=other)[1]
    found = together.pop("needs")
    assert found == {key: value for key, value in needs.items() if key != "run"}
    assert [task["items"] for task in found["tasks"]] == [5] and len(found["tasks"][0]["plans"]) == len(sizes)
    took = ("run", "seconds", "needs")
    assert {**together, **dict.fromkeys(took)} == {**alone, **dict.fromkeys(took)}, "the run is what it is without"


def test_a_run_without_a_search_has_no_plans_for_the_task(cli: Cli, small: tuple[object, ...], copa: Path) -> None:
    status, answer, errors = cli(*small, "--no-search", "--worth", "accuracy:copa", "--data", copa)
    assert status == 0, errors
    [task] = answer["needs"]["tasks"]
    assert task["answers"] == "accuracy" and task["plans"] == [] and task["pairs"]["kind"] == "shapley"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--worth", "kl:copa"), "'kl:copa' is no worth of a task"),
        (("--worth", "margin"), "margin:TASK"),
        (("--worth", "margin:copa,piqa"), "one task"),
        (("--worth", "margin:copa_of_nobody"), "copa_of_nobody"),
        (("--worth", "margin:copa", "--limit", 3), "3 items"),
        (("--worth", "margin:piqa"), "piqa"),
        (("--worth", "margin:agreement"), "accuracy"),
        (("--worth", "agreement", "--limit", 3), "3 items"),
        (("--worth", "agreement", "--limit", 100_000), "too short"),
        ((), "Items are given, and no task"),
    ],
)
def test_what_cannot_be_asked_is_told_before_the_run(
    cli: Cli, small: tuple[object, ...], copa: Path, cache_file: Path, wrong: tuple[object, ...], says: str
) -> None:
    status, answer, errors = cli(*small, "--data", copa, *wrong)
    assert status == 1 and answer["error"]["hint"]
    assert says in f"{answer['error']['message']} {answer['error']['hint']}", errors
    assert not queries.runs(Database(cache_file))


def test_where_the_task_fails_the_finished_run_is_named(
    cli: Cli, small: tuple[object, ...], copa: Path, cache_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Likelihoods.answers

    def broken(self: Likelihoods, item: Item, masks: Masks) -> Iterator[tuple[int, Answer]]:
        for row, found in plain(self, item, masks):
            yield row, found._replace(likelihoods=(math.nan,) * len(found.likelihoods))

    monkeypatch.setattr(Likelihoods, "answers", broken)
    status, answer, _ = cli(*small, "--no-search", "--worth", "margin:copa", "--data", copa)
    [run] = queries.runs(Database(cache_file))
    assert status == 1 and run.status == "finished" and "no numbers" in answer["error"]["message"]
    assert answer["error"]["hint"].endswith(f"python -m app show {run.run}")


def test_stopped_among_the_items_it_goes_on(
    cli: Cli, small: tuple[object, ...], copa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, measured, most = Likelihoods.answers, Counter[tuple[str, str]](), [60]

    def counted(self: Likelihoods, item: Item, masks: Masks) -> Iterator[tuple[int, Answer]]:
        for row, found in plain(self, item, masks):
            if sum(measured.values()) == most[0]:
                raise KeyboardInterrupt
            measured[item.digest, encode(masks[row])] += 1
            yield row, found

    monkeypatch.setattr(Likelihoods, "answers", counted)
    worth = (*small, "--worth", "margin:copa", "--data", copa)
    assert cli(*worth)[0] == 130
    most[0] = -1
    status, answer, errors = cli(*worth)
    assert status == 0, errors
    assert answer["evaluations"] == {"measured": 0, "cached": 41}, "of the run nothing is measured again"
    assert set(measured.values()) == {1}, "no item is asked twice"
    undisturbed: dict[str, Any] = cli(*worth, cache=tmp_path / "other.duckdb")[1]
    assert answer["needs"] == undisturbed["needs"]
