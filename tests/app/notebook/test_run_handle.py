"""What a notebook reads of a stored run, against the command line's JSON and a game that is known in closed form."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import quorum

from cache.database import Database
from core.errors import RunNotFound, SelectionError
from tests.support.commands import Cli
from tests.support.stored import DENSE, loss, store_run


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stored") / "results.duckdb"


@pytest.fixture(scope="module")
def stored(file: Path) -> quorum.Run:
    """A run that no test changes."""
    return quorum.load(store_run(Database(file), kl=True).run, cache=file)


def same(table: pd.DataFrame, rows: list[dict[str, Any]], names: dict[str, str]) -> None:
    """Columns of a table are the fields of JSON, where players are numbers if all are blocks."""
    for column, field in names.items():
        is_player = column in ("player", "first", "second")
        assert list(table[column]) == [str(row[field]) if is_player else row[field] for row in rows], column


def test_contributions_are_those_of_the_command_line(stored: quorum.Run, file: Path, cli: Cli) -> None:
    _, shown, errors = cli("show", stored.name, cache=file)
    assert not errors
    fields = {"player": "layer", **{name: name for name in ("value", "low", "high", "calibration")}}
    same(stored.contributions, shown["contributions"], fields)
    assert list(stored.contributions.columns) == list(fields)
    assert stored.perplexity == shown["dense_perplexity"]


@pytest.mark.parametrize(("kind", "worth"), [("stratified", "score"), ("local", "log_score"), ("banzhaf", "kl")])
def test_values_are_those_of_the_command_line(stored: quorum.Run, file: Path, cli: Cli, kind: str, worth: str) -> None:
    _, shown, _ = cli("values", stored.name, "--value", kind, "--worth", worth, cache=file)
    found = stored.values(kind, worth)
    same(found, shown["values"], {"player": "layer", "value": "value", "low": "low", "high": "high"})
    assert list(found.columns) == ["player", "value", "low", "high"]


def test_interactions_are_those_of_the_command_line(stored: quorum.Run, file: Path, cli: Cli) -> None:
    _, shown, _ = cli("interactions", stored.name, cache=file)
    found = stored.interactions()
    same(found, shown["pairs"], {name: name for name in ("first", "second", "value", "low", "high", "meaning")})
    assert list(found.iloc[0][["first", "second", "meaning"]]) == ["1", "2", "redundancy"]


def test_a_prediction_is_that_of_the_command_line(stored: quorum.Run, file: Path, cli: Cli) -> None:
    _, shown, _ = cli("predict", stored.name, "--remove", "1,2,5", cache=file)
    found = stored.predict([1, "2", np.int64(5)])
    assert found.removed == ("1", "2", "5") and shown["removed"] == [1, 2, 5]
    assert (found.perplexity, found.low, found.high) == (shown["perplexity"], shown["low"], shown["high"])
    same(found.shares, shown["shares"], {"player": "layer", "value": "value"})
    assert stored.predict("1,2, 5").perplexity == found.perplexity


def test_shapley_values_are_those_of_the_game(stored: quorum.Run) -> None:
    """The log score is a sum over players and one pair, whose Shapley values are theirs and half of the pair's."""
    truth = np.linspace(0.1, 0.3, 8)
    truth[[1, 2, -1]] = 0.02 + 0.4, 0.03 + 0.4, 0.25
    found = stored.values("shapley", "log_score")
    np.testing.assert_allclose(found["value"], truth, atol=0.05)
    mask = np.ones((1, 8), dtype=bool)
    mask[0, [1, 2, 4]] = False
    expected = float(np.exp((DENSE + loss(mask)).mean()))
    found = stored.predict([1, 2, 4])
    assert found.measured == pytest.approx(expected) and found.low <= found.perplexity <= found.high
    assert found.perplexity == pytest.approx(expected, rel=1e-3)  # nothing in this game is rough


def test_halves_go_by_their_names(cache_file: Path) -> None:
    players = tuple(f"{block}{half}" for block in range(4) for half in "am")
    run = quorum.load(store_run(Database(cache_file), players=players).run[:5], cache=str(cache_file))
    assert run.players == tuple(run.contributions["player"]) == players
    assert run.predict([3]).removed == ("3a", "3m"), "a number is the name of a block, not a place"
    assert run.predict("1m").removed == ("1m",)


def test_runs_are_listed(stored: quorum.Run, file: Path, cache_file: Path) -> None:
    listed = quorum.runs(cache=file)
    assert list(listed["run"]) == [stored.name] and list(listed["status"]) == ["finished"] == [stored.status]
    assert listed["masks"][0] == stored.spec.masks
    assert stored.name in repr(stored)
    assert quorum.runs(cache=cache_file).empty
    assert "run" in quorum.runs(cache=":memory:").columns


def test_a_figure_has_a_bar_for_each_player(stored: quorum.Run) -> None:
    bars = stored.plot().data[0]
    assert list(bars.x) == list(stored.contributions["player"])
    np.testing.assert_array_equal(bars.y, stored.contributions["value"])


@pytest.mark.parametrize(
    "ask",
    [
        lambda run: run.predict([]),
        lambda run: run.predict([8]),
        lambda run: run.predict([1.5]),
        lambda run: run.predict("1,1"),
        lambda run: run.predict(range(8)),
        lambda run: run.measure("nobody"),
        lambda run: run.values("weight"),
        lambda run: run.interactions(worth="loss"),
        lambda run: run.select(3, ratio=0.2),
        lambda run: run.select(0),
        lambda run: run.select(2.5),
        lambda run: run.select(units=0),
        lambda run: run.select(8),
        lambda run: run.select(protect="9"),
        lambda run: run.export([], "out"),
        lambda run: run.export("0-7", "out"),
        lambda run: run.export([3], "out", compensate="magic"),
    ],
)
def test_a_wrong_request_is_told_at_once(stored: quorum.Run, ask: Callable[[quorum.Run], object]) -> None:
    """The model of this run does not exist: whoever looked for it would say so instead."""
    with pytest.raises(SelectionError) as failure:
        ask(stored)
    assert failure.value.message and failure.value.hint


def test_a_folder_to_export_to_is_a_path(stored: quorum.Run) -> None:
    with pytest.raises(quorum.QuorumError, match="out=3"):
        stored.export([3], 3)


def test_a_run_that_is_not_there(file: Path, stored: quorum.Run) -> None:
    with pytest.raises(RunNotFound, match="nowhere") as failure:
        quorum.load("nowhere", cache=file)
    assert stored.name in failure.value.hint


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"masks": 3}, "too few"),
        ({"masks": "many"}, "masks"),
        ({"masks": 20.5}, "masks"),
        ({"sampler": "best"}, "sampler"),
        ({"seed": -1}, "seed"),
        ({"strata": "all"}, "strata"),
        ({"protect": [0.5]}, "protect"),
        ({"model": None}, "model"),
        ({"cache": 7}, "cache"),
    ],
)
def test_a_run_that_cannot_be_is_told_at_once(change: dict[str, Any], word: str, cache_file: Path) -> None:
    with pytest.raises(quorum.QuorumError, match=word) as failure:
        quorum.run(**{"model": "made-up", "cache": cache_file, **change})
    assert failure.value.hint
