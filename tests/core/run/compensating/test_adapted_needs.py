"""Which layers a text needs when the others may adapt: against plain models with the same fits, by brute force."""

import math
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import Masks, encode, everything
from core.compensation.compensate import compensate
from core.errors import CorpusError, EvaluationError, SelectionError, TaskError
from core.evaluate.game import Game, Games
from core.pauses import come
from core.records.behaviour.needs import TaskNeeds
from core.records.events import Progress
from core.records.mends import Compensate
from core.records.spec import RunSpec
from core.run.compensating import adapted_needs as adapted
from core.run.compensating.own_windows import judged_and_fitted
from core.tasks.needing import Estimates

PLAYERS, FIT = 4, 48
WANTED = Estimates("shapley", "log_score", (1, 2, 3), "shapley")


@pytest.fixture
def spec(tiny: Path, text_file: Path) -> RunSpec:
    """Eight blocks in groups of two, each a player."""
    return RunSpec(str(tiny), str(text_file), sequences=6, window=16, dtype="float32", device="cpu", players="group:2")


def asking(
    store: Store, spec: RunSpec, how: str, masks: Masks, fit: int | None = FIT
) -> Generator[Any, None, TaskNeeds]:
    games = Games(store)
    game = opened(games, spec)
    asked = partial(adapted.adapted_needs, store, games, spec=spec, game=game.key, masks=masks, wanted=WANTED)
    return asked(how=Compensate(how, fit))


def opened(games: Games, spec: RunSpec) -> Game:
    return come(games.open(spec, spec.text(), check=lambda _: None))


def plain_losses(tiny: Path, spec: RunSpec, how: str, mask: Any, accepted: list[int]) -> list[float]:
    """Of each window, by transformers' own model without layers, with what the fits changed."""
    store = Store(InMemory())
    games = Games(store)
    game = opened(games, spec)
    judge, fit = come(judged_and_fitted(games, spec, FIT, game.windows.protocol, exactly=True))
    done, patches = come(compensate(game.loaded, fit, mask, how))
    accepted.append(done.accepted)
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    for name, value in patches.items():
        model.get_parameter(name).data = value
    for player in np.flatnonzero(~mask)[::-1]:
        del model.model.layers[2 * player : 2 * player + 2]
    with torch.no_grad():
        return [model(ids[None], labels=ids[None], use_cache=False).loss.item() for ids in judge.ids]


@pytest.mark.parametrize("how", ["refit", "scale"])
def test_with_every_coalition_values_are_those_of_plain_models_with_the_same_fits(
    tiny: Path, spec: RunSpec, how: str
) -> None:
    masks, accepted = everything(PLAYERS)[:-1], list[int]()
    needs = come(asking(Store(InMemory()), spec, how, masks))
    worth = {
        frozenset(map(int, np.flatnonzero(mask))): -np.mean(plain_losses(tiny, spec, how, mask, accepted))
        for mask in everything(PLAYERS)
    }
    assert any(accepted), "it is another game than the text alone"
    orders = list(permutations(range(PLAYERS)))
    shapley = [
        np.mean(
            [
                worth[frozenset(order[: order.index(player) + 1])] - worth[frozenset(order[: order.index(player)])]
                for order in orders
            ]
        )
        for player in range(PLAYERS)
    ]
    assert [item.value for item in needs.values.values] == pytest.approx(shapley, abs=2e-5)
    assert needs.values.surrogate is None and needs.pairs is not None and needs.pairs.surrogate is None
    [first] = [pair for pair in needs.pairs.pairs if {pair.first, pair.second} == {0, 1}]
    others = [{*(2,) * two, *(3,) * three} for two in (0, 1) for three in (0, 1)]
    moved = [
        worth[frozenset(s | {0, 1})] - worth[frozenset(s | {0})] - worth[frozenset(s | {1})] + worth[frozenset(s)]
        for s in others
    ]
    assert first.value == pytest.approx(
        sum(m * w for m, w in zip(moved, (1 / 3, 1 / 6, 1 / 6, 1 / 3), strict=True)), abs=2e-5
    )
    assert (needs.task, needs.answers, needs.items, needs.masks) == (how, "log_score", 6, 15)
    assert f"after {how}" in needs.worth and "fitted on the next 48 windows, the last 6 deciding" in needs.worth


def test_nothing_judges_that_was_fitted_on(spec: RunSpec) -> None:
    games = Games(Store(InMemory()))
    game = opened(games, spec)
    judge, fit = come(judged_and_fitted(games, spec, FIT, game.windows.protocol, exactly=True))
    wider = come(games.open(spec, replace(spec.text(), sequences=spec.sequences + FIT), check=lambda _: None))
    assert torch.equal(judge.ids, game.windows.ids) and torch.equal(judge.ids, wider.windows.ids[: spec.sequences])
    assert torch.equal(fit.ids, wider.windows.ids[spec.sequences :]), "the next ones of the same draw"


def test_stopped_and_asked_again_nothing_is_fitted_twice(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[str] = []

    def counted(loaded: Any, windows: Any, mask: Masks, how: str) -> Any:
        fits.append(encode(mask))
        return compensate(loaded, windows, mask, how)

    monkeypatch.setattr(adapted, "compensate", counted)
    store, masks = Store(InMemory()), everything(PLAYERS)[:-1]
    steps = asking(store, spec, "scale", masks)
    for event in steps:
        if isinstance(event, Progress) and event.done == 5:
            break
    steps.close()
    assert len(fits) == 5
    again = asking(store, spec, "scale", masks)
    first = next(event for event in again if isinstance(event, Progress))
    assert (first.cached, first.total) == (5, 16) and math.isnan(first.seconds_left)
    fresh = come(asking(Store(InMemory()), spec, "scale", masks))
    del fits[:]
    assert come(again) == fresh
    come(asking(store, spec, "scale", masks, fit=24))
    assert len(fits) == 11 + 16, "what was stopped goes on; other windows to fit on are another game"


def test_what_cannot_be_asked_is_refused_before_a_fit(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("a fit was begun")

    monkeypatch.setattr(adapted, "compensate", never)
    masks = everything(PLAYERS)[:-1]
    with pytest.raises(CorpusError, match="too few"):
        come(asking(Store(InMemory()), spec, "refit", masks, fit=4))
    with pytest.raises(CorpusError):
        come(asking(Store(InMemory()), spec, "refit", masks, fit=10**6))
    with pytest.raises(SelectionError, match="halves"):
        come(asking(Store(InMemory()), replace(spec, players="sublayer"), "refit", everything(16)[:20]))
    with pytest.raises(TaskError, match="3 windows"):
        come(asking(Store(InMemory()), replace(spec, sequences=3), "refit", masks))
    store = Store(InMemory())
    asked = partial(adapted.adapted_needs, store, Games(store), spec=spec, how=Compensate("refit", FIT))
    with pytest.raises(EvaluationError, match="has changed"):
        come(asked(game="another", masks=masks, wanted=WANTED))


def test_a_short_text_is_fitted_on_what_there_is(spec: RunSpec, tmp_path: Path) -> None:
    """Where nobody says how many windows; and one whose windows are alike is known again."""
    text = tmp_path / "short.txt"
    text.write_text("Nobody came. " * 120)
    short = replace(spec, corpus=str(text), sequences=4)
    store, masks = Store(InMemory()), everything(PLAYERS)[:-1]
    needs = come(asking(store, short, "scale", masks, fit=None))
    fitted = int(needs.source.split("the next ")[1].split()[0])
    assert 8 <= fitted < 4096 // 16
    again = [event for event in asking(store, short, "scale", masks, fit=None) if isinstance(event, Progress)]
    assert not again, "nothing is missing"
    with pytest.raises(CorpusError):
        come(asking(store, short, "scale", masks, fit=fitted + 1))
