"""Plans for targets, nested paths, and the search as a command that can be killed and goes on."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from cache import queries
from cache.database import Database
from cache.store import Store
from core.coalitions.masks import without
from core.coalitions.players import players_of
from core.errors import SelectionError
from core.records.events import Selected
from core.records.plans import METHODS, Plan, Selection
from core.records.results import ModelInfo
from core.records.spec import RunSpec, TextProtocol
from core.records.storage import Evaluation
from core.run.engine import Engine
from core.selection.plan import races
from core.selection.removal_paths import knee, nested
from core.selection.targets import Request, Target
from tests.support.commands import Cli
from tests.support.finished import Finished

RUN = ("--sequences", 4, "--window", 16, "--masks", 20, "--no-search")
PLANS = tuple(Plan(k, tuple(range(k)), 100 - 10 * k, 10.0 + k**2, 9.0, 99.0, 1.0, 0.9, 1.1) for k in (1, 2, 3, 4))
SELECTION = Selection(
    model=ModelInfo("bundled", "Llama", 8, 100, "x", "float32", "cpu"),
    protocol=TextProtocol("text", "calibration", 16, 16, "none", 4, 0, "y"),
    dense_perplexity=10.0,
    protected=(),
    plans=PLANS,
    nested=PLANS,
    coalitions=9,
    units=1.0,
    spent=1.0,
)


@pytest.mark.parametrize(("kind", "protect", "count"), [("sublayer", (), 4), ("group:2", (), 1), ("block", (0, 7), 2)])
def test_a_ratio_is_of_the_players(kind: str, protect: tuple[int, ...], count: int) -> None:
    model = replace(SELECTION.model, players=players_of(8, kind, protect))
    [plan] = Target(ratio=0.25).choose(replace(SELECTION, model=model))
    assert plan.count == count


@pytest.mark.parametrize(
    ("target", "count"),
    [
        (Target(count=3), 3),
        (Target(ratio=0.25), 2),
        (Target(parameters=75), 3),
        (Target(parameters=90), 1),
        (Target(max_increase=0.45), 2),
        (Target(max_increase=5.0), 4),
    ],
)
def test_targets(target: Target, count: int) -> None:
    assert [plan.count for plan in target.choose(SELECTION)] == [count]


@pytest.mark.parametrize(
    "target", [Target(count=5), Target(ratio=0.9), Target(ratio=0.01), Target(parameters=5), Target(max_increase=0.05)]
)
def test_a_target_out_of_reach_names_the_nearest(target: Target) -> None:
    with pytest.raises(SelectionError, match="No plan reaches") as failure:
        target.choose(SELECTION)
    assert any(character.isdigit() for character in failure.value.hint)


def test_no_target_gives_every_plan() -> None:
    assert Target().choose(SELECTION) == PLANS


def test_nested_is_the_best_of_all_paths() -> None:
    """Against every chain of removals of a small game, with log(1 + rise) added up."""
    rng = np.random.default_rng(0)
    cost = {gone: rng.uniform(0.1, 2) for k in (1, 2, 3) for gone in combinations(range(5), k)}
    found = nested({k: [(without(5, gone), cost[gone]) for gone in cost if len(gone) == k] for k in (1, 2, 3)})
    chains = [
        (a, b, c)
        for a, b, c in ((a, b, c) for a in cost for b in cost for c in cost)
        if (len(a), len(b), len(c)) == (1, 2, 3) and {*a} < {*b} < {*c}
    ]
    best = min(chains, key=lambda chain: sum(np.log1p(cost[gone]) for gone in chain))
    assert [tuple(int(i) for i in np.flatnonzero(~mask)) for mask in found] == list(best)


@pytest.mark.parametrize(
    "request_", [Request(units=0), Request(protected=(8,)), Request(most=8), Request(most=7, protected=(0, 1))]
)
def test_impossible_requests_are_refused(request_: Request) -> None:
    with pytest.raises(SelectionError):
        request_.check(8)


def test_select_gives_plans_of_every_count_and_comes_to_them_again(cli: Cli, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(replace(spec, masks=20))
    status, found, errors = cli("select", run, "--protect", "0,7")
    assert status == 0, errors
    assert [plan["count"] for plan in found["plans"]] == [1, 2, 3, 4]
    for plan in found["plans"]:
        assert not {0, 7} & {*plan["removed"]} and plan["low"] <= plan["perplexity"] <= plan["high"]
        assert plan["ratio"] == pytest.approx(plan["perplexity"] / found["dense_perplexity"])
        assert plan["ratio_low"] <= plan["ratio"] <= plan["ratio_high"]
        assert plan["source"] == "measured"
    for before, after in zip(found["nested"], found["nested"][1:], strict=False):
        assert {*before["removed"]} < {*after["removed"]}
    assert found["protocol"]["sequences"] == 16  # the run's four, and further ones for the finalists
    # What is stored answers at once, and a single plan is that of all.
    assert cli("select", run, "--protect", "0,7", "--count", 2)[1]["plans"] == [found["plans"][1]]
    # The perplexity that select gives is the one of plain forwards over the same windows.
    assert cli("select", run, "--protect", "0,7", "--max-increase", "10000%")[1]["plans"] == [found["plans"][3]]


def test_a_small_budget_looks_at_more_sets_on_fewer_sequences(
    finished: Finished, spec: RunSpec, cache_file: Path
) -> None:
    """Of the run's four sequences it races on two, and settles on four; a larger one races on four."""
    assert [races(4, units) for units in (0.1, 0.19, 0.2, 4)] == [2, 2, 4, 4] and races(1, 0.1) == 1
    finished(replace(spec, masks=20))
    [run] = queries.runs(Database(cache_file))
    found = {}
    for units in (0.19, 0.2):
        engine = Engine(Store(Database(cache_file)))
        *_, last = engine.select(run.run, run.game, run.resolved, Request(units))
        assert isinstance(last, Selected)
        found[units] = last.selection
    small, larger = found.values()
    assert (small.protocol.sequences, larger.protocol.sequences) == (4, 8)
    assert [plan.count for plan in small.plans] == [plan.count for plan in larger.plans]
    assert run.result is not None and small.protocol == run.result.protocol
    assert small.spent < larger.spent


def test_a_search_stores_no_evaluation_anew(finished: Finished, spec: RunSpec, cache_file: Path) -> None:
    """What raced on all of the run's sequences is new to the run, or it stays as the run has measured it."""
    handed: list[tuple[str, str]] = []

    class Told(Store):
        def record(self, game: str, measured: Sequence[Evaluation]) -> None:
            known = self.measured(game)
            handed.extend((game, one.mask) for one in measured if one.divergences is None and one.mask in known)
            super().record(game, measured)

    database = Database(cache_file)
    finished(spec)
    [run] = queries.runs(database)
    for _ in range(2):
        assert list(Engine(Told(database)).select(run.run, run.game, spec, Request(0.3)))
        assert not handed


def test_a_plan_can_be_exported(cli: Cli, finished: Finished, spec: RunSpec, tmp_path: Path) -> None:
    [run] = finished(replace(spec, masks=20))
    assert cli("export", run, "--plan", 2, "--out", tmp_path / "no")[1]["error"]["kind"] == "RunNotFound"
    found = cli("select", run, "--most", 2, "--units", 0.1)[1]
    again = cli("select", run, "--max-increase", "10000%", "--most", 2)[1]
    assert again["units"] == 0.1 and again["plans"] == found["plans"][1:], "plans that are there answer a target"
    status, exported, errors = cli("export", run, "--plan", 2, "--out", tmp_path / "small")
    assert status == 0, errors
    assert exported["removed"] == found["plans"][1]["removed"] and exported["verified"]
    assert cli("export", run, "--plan", 3, "--out", tmp_path / "other")[1]["error"]["kind"] == "SelectionError"


def test_select_names_what_is_wrong(cli: Cli, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(replace(spec, masks=20))
    for options in (("--protect", "9"), ("--most", 8), ("--units", -1), ("--count", 8), ("--ratio", "150%")):
        status, answer, _ = cli("select", run, *options)
        assert status == 1 and answer["error"]["kind"] == "SelectionError"
    assert cli("select", "nothing")[1]["error"]["kind"] == "RunNotFound"


def test_a_short_text_has_no_further_windows(cli: Cli, tiny: Path, tmp_path: Path) -> None:
    text = tmp_path / "short.txt"
    text.write_text("A short tale of eight layers, " * 6)
    run = cli("run", "--model", tiny, "--corpus", text, *RUN)[1]["run"]
    status, found, errors = cli("select", run, "--most", 2)
    assert status == 0, errors
    assert found["protocol"]["sequences"] == 4


def test_compare_judges_every_method_on_other_text(cli: Cli, tiny: Path, text_file: Path) -> None:
    common = ("--model", tiny, "--corpus", text_file, "--sequences", 4, "--window", 16, "--counts", "1,3")
    status, found, errors = cli("compare", *common, "--methods", ",".join(METHODS), "--units", 0.5, "--protect", "4")
    assert status == 0, errors
    assert [method["method"] for method in found["methods"]] == list(METHODS)
    assert found["evaluation"]["split"] == "evaluation" and found["evaluation"]["sequences"] == 16
    for method in found["methods"]:
        assert all(4 not in plan["removed"] and len(plan["removed"]) == plan["count"] for plan in method["plans"])
    by_name = {method["method"]: method for method in found["methods"]}
    assert by_name["sleb"]["plain"] == pytest.approx(1.0, rel=0.5) and by_name["shortgpt"]["plain"] < 0.2
    assert cli("compare", *common, "--methods", "nobody")[1]["error"]["kind"] == "SelectionError"
    # Taylor+ keeps the first four layers and the last two: with two more protected, it has no plan.
    none = cli("compare", *common, "--methods", "taylor+", "--protect", "4,5")[1]
    assert none["methods"][0]["plans"] == []


def test_predict_and_divergences(cli: Cli, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(replace(spec, masks=20))
    status, found, errors = cli("predict", run, "--remove", "5,2")
    assert status == 0, errors
    assert found["removed"] == [2, 5] and [share["layer"] for share in found["shares"]] == [2, 5]
    measured = cli("values", run, "--worth", "kl", "--value", "local")
    assert measured[0] == 0, measured[2]
    assert len(measured[1]["values"]) == 8 and measured[1]["worth"] == "kl"
    assert cli("interactions", run, "--worth", "kl")[0] == 0


def test_knee_is_where_the_curve_bends() -> None:
    flat_then_steep = [0.0, 0.1, 0.2, 0.3, 1.3, 2.3]
    assert knee(flat_then_steep) == 3
    assert knee([0.0, 1.0, 2.0]) is None and knee([0.0, 2.0, 3.0]) is None and knee([0.0, 1.0]) is None
