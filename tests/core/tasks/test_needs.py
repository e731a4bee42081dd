"""Values of layers for a task are those of its own game: enumerated over all coalitions, from lm-eval's accuracies."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, permutations
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import shapiq

from app.commands.behaviour.needed import _some
from app.worker.client import Jobs
from cache.behaviour import task_needs
from cache.database import Database
from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import Masks, encode, everything, without
from core.coalitions.measurements import Floats
from core.coalitions.players import players_of
from core.errors import EvaluationError, TaskError
from core.evaluate.game import Games
from core.model.model import LoadedModel
from core.pauses import come
from core.records.behaviour.needs import ACCURACY, MARGIN, TaskNeeds
from core.records.behaviour.task_scores import Answer
from core.records.spec import ModelInfo, RunSpec
from core.tasks.answering import Questions, answered
from core.tasks.items import Item, items_of
from core.tasks.likelihood import Likelihoods
from core.tasks.naming import tasks_named
from core.tasks.needing import Estimates, needing
from core.tasks.worths import halves_of, worths
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.pages import open_page, said

KIND = "group:2"  # four players of the eight layers
PLAYERS = 4
WORDS = ("honey", "iron", "salt", "wind", "rain")


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"context": f"What do {number} bees make?", "choices": WORDS[: 2 + number % 4], "answer": number % 2}
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("items")
    (found / "arc_easy.jsonl").write_text("\n".join(map(json.dumps, rows(8))))
    words = [
        {"context": f"He found {number} keys, and last of all the", "target": word}
        for number in range(4)
        for word in WORDS[:2]
    ]
    (found / "lambada_openai.jsonl").write_text("\n".join(map(json.dumps, words)))
    return found


@pytest.fixture
def spec(tiny: Path) -> RunSpec:
    return RunSpec(model=str(tiny), dtype="float32", device="cpu", players=KIND)


def ended(work: Iterator[Any]) -> Any:
    return come(work)[1]


def needs_of(
    store: Store,
    spec: RunSpec,
    questions: Questions,
    worth: str,
    pairs: str | None = None,
    plans: Mapping[int, tuple[int, ...]] = MappingProxyType({}),
) -> list[TaskNeeds]:
    masks, wanted = everything(PLAYERS), Estimates("shapley", worth, (1, 2, 3), pairs, plans)
    found: list[TaskNeeds] = ended(needing(store, Games(store), spec, questions, masks[~masks.all(axis=1)], wanted))
    return found


def scored_by(loaded: LoadedModel) -> ModelInfo:
    """The model with the players of these tests."""
    return loaded.played_by(players_of(8, KIND, ())).info


def shapley(worth: Callable[[str], float]) -> Floats:
    """By its definition: the mean over all orders in which players come."""
    values = np.zeros(PLAYERS)
    orders = list(permutations(range(PLAYERS)))
    for order in orders:
        there = np.zeros(PLAYERS, dtype=bool)
        for player in order:
            before = worth(encode(there))
            there[player] = True
            values[player] += worth(encode(there)) - before
    return values / len(orders)


def test_accuracy_s_values_are_enumerated_from_lm_eval_s_accuracies(
    folder: Path, spec: RunSpec, tiny_loaded: LoadedModel
) -> None:
    store, questions = Store(InMemory()), Questions(("arc_easy",), folder)
    [found] = needs_of(store, spec, questions, ACCURACY)
    removals = [tuple(map(int, np.flatnonzero(~mask))) for mask in everything(PLAYERS)[1:]]
    scored = ended(answered(store, Games(store), spec, questions, removals))
    [task] = tasks_named(["arc_easy"], folder, None, None)
    items = items_of(task, tiny_loaded.checkpoint)
    answers = store.answers(scored_by(tiny_loaded), "0" * PLAYERS, [item.digest for item in items])
    right = [int(np.argmax(answers[item.digest].likelihoods)) == number % 2 for number, item in enumerate(items)]
    worth = {"0" * PLAYERS: float(np.mean(right))}  # no layer at all: nobody exports that
    for one in scored:
        accuracy = next(metric.value for metric in one.tasks[0].metrics if metric.name == "acc")
        worth[encode(without(PLAYERS, one.removed))] = accuracy
    expected = shapley(worth.__getitem__)
    assert [item.value for item in found.values.values] == pytest.approx(expected, abs=1e-12)
    assert found.values.surrogate is None and found.masks == 2**PLAYERS - 1 and found.items == 8


def test_margins_are_those_of_the_right_choice_and_their_values_are_enumerated(
    folder: Path, spec: RunSpec, tiny_loaded: LoadedModel
) -> None:
    store, questions = Store(InMemory()), Questions(("arc_easy", "lambada_openai"), folder)
    choices, words = needs_of(store, spec, questions, MARGIN)
    for name, needs in (("arc_easy", choices), ("lambada_openai", words)):
        [task] = tasks_named([name], folder, None, None)
        items = items_of(task, tiny_loaded.checkpoint)
        info = scored_by(tiny_loaded)
        worth: dict[str, float] = {}
        for mask in map(encode, everything(PLAYERS)):
            answers = store.answers(info, mask, [item.digest for item in items])
            margins = []
            for number, item in enumerate(items):
                likely = answers[item.digest].likelihoods
                wrong = [one for place, one in enumerate(likely) if place != number % 2]
                margins.append(likely[number % 2] - max(wrong) if name == "arc_easy" else likely[0])
            worth[mask] = float(np.mean(margins))
            assert worths(task, items, [answers], MARGIN)[0] == pytest.approx(margins)
        expected = shapley(worth.__getitem__)
        assert [item.value for item in needs.values.values] == pytest.approx(expected, abs=1e-9)
        assert sum(expected) == pytest.approx(worth["1" * PLAYERS] - worth["0" * PLAYERS])


def margins(store: Store, loaded: LoadedModel, folder: Path) -> dict[str, Floats]:
    """Of each coalition, by mask: how much likelier the right choice is of each item, from stored answers."""
    [task] = tasks_named(["arc_easy"], folder, None, None)
    items = items_of(task, loaded.checkpoint)
    found = {}
    for mask in map(encode, everything(PLAYERS)):
        answers = store.answers(scored_by(loaded), mask, [item.digest for item in items])
        likely = [list(answers[item.digest].likelihoods) for item in items]
        found[mask] = np.array([row.pop(number % 2) - max(row) for number, row in enumerate(likely)])
    return found


@pytest.mark.parametrize(("kind", "index"), [("shapley", "SII"), ("banzhaf", "BII")])
def test_pairs_interact_as_shapiq_has_it(
    folder: Path, spec: RunSpec, tiny_loaded: LoadedModel, kind: str, index: str
) -> None:
    store = Store(InMemory())
    [found] = needs_of(store, spec, Questions(("arc_easy",), folder), MARGIN, pairs=kind)
    each = margins(store, tiny_loaded, folder)

    def game(masks: Any) -> Floats:
        return np.array([each[encode(mask)].mean() for mask in masks])

    theirs = shapiq.ExactComputer(game, n_players=PLAYERS)(index, order=2)
    assert found.pairs is not None and found.pairs.surrogate is None
    assert len(found.pairs.pairs) == PLAYERS * (PLAYERS - 1) // 2
    for pair in found.pairs.pairs:
        assert pair.value == pytest.approx(theirs[(pair.first, pair.second)], abs=1e-9)


def test_plans_are_the_best_sets_of_one_half_judged_on_the_other(
    folder: Path, spec: RunSpec, tiny_loaded: LoadedModel
) -> None:
    store, of_run = Store(InMemory()), {2: (1, 2), 1: (3,)}
    [found] = needs_of(store, spec, Questions(("arc_easy",), folder), MARGIN, plans=of_run)
    each = margins(store, tiny_loaded, folder)
    first, second = halves_of(8, spec.seed)
    assert sorted([*first, *second]) == list(range(8)) and len(first) == len(second) == 4

    def left(removed: tuple[int, ...], items: Any) -> Floats:
        return each[encode(without(PLAYERS, removed))][items]

    def surely(removed: tuple[int, ...]) -> float:
        lost = left(removed, first) - each["1" * PLAYERS][first]
        return float(lost.mean() - np.std(lost, ddof=1) / 2)

    assert [plan.count for plan in found.plans] == [1, 2]
    for plan in found.plans:
        sets = combinations(range(PLAYERS), plan.count)
        assert plan.removed == max(sets, key=surely)
        assert plan.of_run == of_run[plan.count] and (plan.chosen_on, plan.judged_on) == (4, 4)
        ours, own = left(plan.removed, second), left(plan.of_run, second)
        for mean, values in (
            (plan.worth, ours),
            (plan.worth_of_run, own),
            (plan.difference, ours - own),
            (plan.whole, each["1" * PLAYERS][second]),
        ):
            assert mean.value == pytest.approx(values.mean())
            assert mean.error == pytest.approx(np.std(values, ddof=1) / 2)


def ruined(patch: pytest.MonkeyPatch, *masks: str) -> None:
    """From here on, a model with the players of one of these masks gives no numbers."""
    plain = Likelihoods.answers

    def answered_by_some(self: Likelihoods, item: Item, asked: Masks) -> Iterator[tuple[int, Answer]]:
        for row, found in plain(self, item, asked):
            lost = encode(asked[row]) in masks
            yield row, Answer((-math.inf,) * len(found.likelihoods), found.greedy) if lost else found

    patch.setattr(Likelihoods, "answers", answered_by_some)


def test_a_set_without_numbers_ends_alone(
    folder: Path, spec: RunSpec, tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever half of the items it fails on; and a size where the run's own plan fails has none."""
    store, questions, of_run = Store(InMemory()), Questions(("arc_easy",), folder), {1: (3,), 2: (1, 2)}
    [whole] = needs_of(store, spec, questions, MARGIN, plans=of_run)
    each, (first, _) = margins(store, tiny_loaded, folder), halves_of(8, spec.seed)
    best = whole.plans[1].removed

    def surely(removed: tuple[int, ...]) -> float:
        lost = each[encode(without(PLAYERS, removed))][first] - each["1" * PLAYERS][first]
        return float(lost.mean() - np.std(lost, ddof=1) / 2)

    masks = everything(PLAYERS)
    kept = masks[[encode(mask) not in (encode(without(PLAYERS, best)), "1" * PLAYERS) for mask in masks]]
    for known in ((), first):  # what of the best set is known already when it fails
        again = Store(InMemory())
        wanted = Estimates("shapley", MARGIN, (1, 2, 3), None, of_run)
        with pytest.MonkeyPatch.context() as patch:
            if len(known):
                [task] = tasks_named(["arc_easy"], folder, None, None)
                items = items_of(task, tiny_loaded.checkpoint)
                info, mask = scored_by(tiny_loaded), encode(without(PLAYERS, best))
                some = store.answers(info, mask, [items[place].digest for place in known])
                again.record_answers(info, {mask: some})
            ruined(patch, encode(without(PLAYERS, best)))
            [found] = ended(needing(again, Games(again), spec, questions, kept, wanted))
        assert [plan.count for plan in found.plans] == [1, 2], "other sizes go on"
        assert found.plans[0] == whole.plans[0]
        others = [pair for pair in combinations(range(PLAYERS), 2) if pair != best]
        assert found.plans[1].removed == max(others, key=surely)
        assert found.plans[1].of_run == (1, 2)
    ruined(monkeypatch, encode(without(PLAYERS, of_run[1])))
    again = Store(InMemory())
    kept = masks[[encode(mask) not in (encode(without(PLAYERS, of_run[1])), "1" * PLAYERS) for mask in masks]]
    [found] = ended(
        needing(again, Games(again), spec, questions, kept, Estimates("shapley", MARGIN, (1,), None, of_run))
    )
    assert [plan.count for plan in found.plans] == [2]


def test_a_coalition_without_numbers_ends_it_and_the_others_stay(
    folder: Path, spec: RunSpec, tiny_loaded: LoadedModel
) -> None:
    store, questions = Store(InMemory()), Questions(("arc_easy",), folder)
    with pytest.MonkeyPatch.context() as patch:
        ruined(patch, "0110")
        with pytest.raises(EvaluationError, match="no numbers without 2 players"):
            needs_of(store, spec, questions, MARGIN)
    [task] = tasks_named(["arc_easy"], folder, None, None)
    digests = [item.digest for item in items_of(task, tiny_loaded.checkpoint)]
    kept = {mask: store.answers(scored_by(tiny_loaded), mask, digests) for mask in map(encode, everything(PLAYERS))}
    assert not kept["0110"] and any(kept.values())
    assert all(math.isfinite(one) for some in kept.values() for found in some.values() for one in found.likelihoods)
    assert needs_of(store, spec, questions, MARGIN)[0].items == 8, "asked again, it goes on"


def test_who_stayed_in_the_run_s_plans_stays(folder: Path, spec: RunSpec) -> None:
    store, questions, masks = Store(InMemory()), Questions(("arc_easy",), folder), everything(PLAYERS)[:-1]
    [free] = needs_of(store, spec, questions, MARGIN, plans={1: (3,)})
    [best] = free.plans[0].removed
    other = (best + 1) % PLAYERS
    wanted = Estimates("shapley", MARGIN, (1, 2, 3), None, {1: (other,)}, protected=(best,))
    [found] = ended(needing(store, Games(store), spec, questions, masks, wanted))
    assert found.plans[0].removed != (best,) and len(found.plans[0].removed) == 1


def test_of_sets_that_answer_alike_the_run_s_plan_stays(folder: Path, spec: RunSpec) -> None:
    """Accuracies of four items are often the same: no set is better then for the layers it lacks."""
    store, questions, own = Store(InMemory()), Questions(("arc_easy",), folder), []
    for place in range(PLAYERS):
        [found] = needs_of(store, spec, questions, ACCURACY, plans={1: (place,)})
        own.append(found.plans[0].removed == (place,))
    assert sum(own) >= 2, "several sets are as good as the best"


def test_too_few_items_are_named(folder: Path, spec: RunSpec) -> None:
    with pytest.raises(TaskError, match="3 items"):
        needs_of(Store(InMemory()), spec, Questions(("arc_easy",), folder, limit=3), MARGIN)


def without_numbers(*asked: Any) -> Iterator[Any]:
    """In the place of `planning`: no plan has answers."""
    if asked[6]:
        raise EvaluationError("The model gives no numbers without 2 players.", "Remove other layers.")
    yield from ()
    return ()


def test_the_command_and_the_page(
    cli: Cli, finished: Finished, text_file: Path, tiny: Path, folder: Path, shared: Jobs, cache_file: Path
) -> None:
    [run] = finished(RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50))
    assert "No task has been asked yet" in said(open_page("contributions", run=run, tab="tasks", value="shapley"))
    asked = ("--tasks", "arc_easy,lambada_openai", "--data", folder, "--masks", 20)
    status, answer, _ = cli("needs", run, *asked, "--plans", 2)
    assert status == 1 and answer["error"]["kind"] == "RunNotFound" and "select" in answer["error"]["hint"]
    status, answer, errors = cli("needs", run, *asked)
    assert status == 0, errors
    assert answer["masks"] == 20 and [one["task"] for one in answer["tasks"]] == ["arc_easy", "lambada_openai"]
    matrix = np.array(answer["correlations"]["spearman"], dtype=float)
    assert answer["correlations"]["of"] == ["text", "arc_easy", "lambada_openai"]
    assert np.diag(matrix) == pytest.approx(1) and matrix == pytest.approx(matrix.T)
    assert all(len(one["values"]) == 8 for one in answer["tasks"])
    assert cli("needs", run, *asked) == (0, answer, cli("needs", run, *asked)[2]), "asked again, it is the same"
    assert "asked for other values: shapley" in said(open_page("contributions", run=run, tab="tasks", value="local"))
    page = open_page("contributions", run=run, tab="tasks", value="shapley")
    assert "arc_easy" in said(page) and not page.exception
    shown = next(frame.value for frame in page.dataframe if "rank correlation" in frame.value)
    assert list(shown["rank correlation"])[1:] == ["arc_easy, margin", "lambada_openai, margin"]
    assert all(one["pairs"] is None and not one["plans"] for one in answer["tasks"])
    assert cli("select", run, "--most", 2, "--units", 0.1)[0] == 0
    assert cli("needs", run, *asked, "--plans", "2")[0] == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.tasks.needing.planning", without_numbers)
        assert cli("needs", run, *asked, "--pairs", "--plans", "1,2")[1]["error"]["kind"] == "EvaluationError"
    known = task_needs.known(Database(cache_file), run, 8)
    assert all(one.pairs and [plan.count for plan in one.plans] == [2] for one in known), "all found by then stays"
    status, answer, errors = cli("needs", run, *asked, "--pairs", "--plans", "1,2")
    assert status == 0, errors
    for one in answer["tasks"]:
        assert one["pairs"]["kind"] == "shapley" and len(one["pairs"]["pairs"]) == 8 * 7 // 2
        assert [plan["count"] for plan in one["plans"]] == [len(plan["removed"]) for plan in one["plans"]] == [1, 2]
        assert {plan["chosen_on"] + plan["judged_on"] for plan in one["plans"]} == {8}
    known = task_needs.known(Database(cache_file), run, 8)
    assert not any(one["pairs"] or one["plans"] for one in cli("needs", run, *asked)[1]["tasks"])
    assert task_needs.known(Database(cache_file), run, 8) == known, "what is not asked for again stays"
    page = open_page("contributions", run=run, tab="tasks", value="shapley")
    assert not page.exception
    shown = next(frame.value for frame in page.dataframe if "the run's plan" in frame.value)
    assert len(shown) == 4 and "Shapley interactions in arc_easy, margin" in said(page)
    assert cli("needs", run, *asked[:-1], 5)[0] == 1, "too few coalitions to learn from"


def test_more_coalitions_hold_the_fewer_ones() -> None:
    masks = everything(6)
    few, more, all_of_them = (_some(masks, count, 3) for count in (5, 20, None))
    assert {*few} < {*more} < {*all_of_them} == {*range(64)}
    without_some = [row for row in range(64) if row not in (few[0], 63)]
    again = {without_some[row] for row in _some(masks[without_some], 19, 3)}
    assert again <= {*_some(masks, 21, 3)}, "the others keep their order"
