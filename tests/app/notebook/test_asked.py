"""Tables of a notebook hold what the command line prints: tasks' needs, and agreement."""

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import quorum

from cache.behaviour import task_needs
from cache.database import Database
from core.errors import BadPath, RunNotFound, SelectionError
from core.records.spec import RunSpec
from core.tasks.likelihood import Likelihoods
from tests.support.commands import Cli
from tests.support.finished import Finished


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("items")
    row = {"context": "It rained because", "choices": ["of clouds", "of iron"]}
    rows = [{**row, "context": f"{number} days it rained because", "answer": number % 2} for number in range(6)]
    for name in ("copa", "arc_easy"):
        (found / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return found


def test_needs_and_agreement_are_those_of_the_command_line(
    cli: Cli, finished: Finished, text_file: Path, tiny: Path, folder: Path, cache_file: Path
) -> None:
    [name] = finished(RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50))
    run = quorum.load(name, cache=cache_file)
    with pytest.raises(RunNotFound, match="selected"):
        run.agreement()
    with pytest.raises(RunNotFound, match="selected"):
        run.needs("copa", data=folder, plans=[1])
    assert cli("select", name, "--most", 2, "--units", 0.1)[0] == 0
    asked = ("--tasks", "copa,arc_easy", "--data", folder, "--masks", 12, "--pairs", "banzhaf", "--plans", "1,2")
    status, shown, errors = cli("needs", name, *asked)
    assert status == 0, errors
    found = run.needs(["copa", "arc_easy"], data=folder, masks=12, pairs="banzhaf", plans=[1, 2])
    assert found.correlations.to_numpy() == pytest.approx(np.array(shown["correlations"]["spearman"]))
    assert list(found.correlations) == ["text", "copa", "arc_easy"]
    for task, rows in (("text", shown["text"]), *((one["task"], one["values"]) for one in shown["tasks"])):
        table = found.values[found.values["task"] == task]
        assert list(table["player"]) == [str(row["layer"]) for row in rows]
        for column in ("value", "low", "high"):
            assert list(table[column]) == [row[column] for row in rows]
    for one in shown["tasks"]:
        assert found.halves[one["task"]] == one["halves"] and one["task"] in found.worths[one["task"]]
        pairs = found.pairs[found.pairs["task"] == one["task"]]
        assert list(pairs["value"]) == [row["value"] for row in one["pairs"]["pairs"]]
        plans = found.plans[found.plans["task"] == one["task"]]
        assert list(plans["removed"]) == [plan["removed"] for plan in one["plans"]]
        for column, key in (("difference", "difference"), ("worth_of_run", "worth_of_run"), ("whole", "whole")):
            assert list(plans[column]) == [plan[key]["value"] for plan in one["plans"]]
            assert list(plans[f"{column}_error"]) == [plan[key]["error"] for plan in one["plans"]]
    plain = run.needs("copa", data=folder, masks=12)
    assert plain.pairs.empty and plain.plans.empty and set(plain.values["task"]) == {"text", "copa"}
    check_agreement(cli, run)


def check_agreement(cli: Cli, run: quorum.Run) -> None:
    for removals, options in (([], ()), (([1, 2], "3"), ("--remove", "1,2", "--remove", "3"))):
        status, shown, errors = cli("agreement", run.name, *options, "--windows", 2)
        assert status == 0, errors
        table = run.agreement(*removals, windows=2)
        assert list(table["removed"]) == [plan["removed"] for plan in shown["plans"]]
        assert list(table["top1"]) == [plan["agreement"]["top1"]["value"] for plan in shown["plans"]]
        assert list(table["kl_999"]) == [plan["agreement"]["kl_999"] for plan in shown["plans"]]
        assert table.attrs["basis"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": "paper"},
        {"tasks": [3]},
        {"data": 3},
        {"shots": -1},
        {"plans": True},
        {"answers": "score"},
        {"pairs": "local2"},
        {"masks": 0},
        {"plans": [0]},
        {"limit": 0},
    ],
)
def test_a_wrong_request_is_told_at_once(
    finished: Finished, text_file: Path, tiny: Path, folder: Path, cache_file: Path, wrong: dict[str, Any]
) -> None:
    [name] = finished(RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50))
    with pytest.raises((SelectionError, BadPath)):
        quorum.load(name, cache=cache_file).needs(**{"tasks": "copa", "data": folder, **wrong})


def test_a_run_goes_on_to_a_task(
    text_file: Path, tiny: Path, folder: Path, cache_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"masks": 40, "sequences": 4, "window": 16, "dtype": "float32", "search": False, "cache": cache_file}
    for wrong in ({"worth": "score:copa"}, {"limit": 0, "worth": "margin:copa"}, {"limit": 4}):
        with pytest.raises(SelectionError):
            quorum.run(str(tiny), str(text_file), **small, **wrong)
    run = quorum.run(str(tiny), str(text_file), **small, worth="margin:copa", data=folder, limit=5)
    [known] = task_needs.known(Database(cache_file), run.name, 8)
    assert (known.task, known.answers, known.items, known.masks) == ("copa", "margin", 5, 40) and known.pairs

    def asked_again(*_: object) -> NoReturn:
        raise AssertionError("an item is asked again")

    monkeypatch.setattr(Likelihoods, "answers", asked_again)
    found = run.needs("copa", data=folder, limit=5, pairs="shapley")
    of_task = found.values[found.values["task"] == "copa"]
    assert list(of_task["value"]) == [item.value for item in known.values.values]
