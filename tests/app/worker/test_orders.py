"""Sums are asked of every plan, and one that gives no numbers leaves the others theirs."""

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.worker.orders import agreeing
from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import Masks, encode, without
from core.model.model import LoadedModel
from core.records.behaviour.task_scores import Answer
from core.records.events import Answered, Stage
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.tasks.items import Item
from core.tasks.likelihood import Likelihoods


def test_a_plan_without_numbers_fails_alone(
    spec: RunSpec, tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(spec, sequences=2, dtype="float32", device="cpu")
    plain, lost = Likelihoods.answers, encode(without(8, (1,)))

    def answered_by_some(self: Likelihoods, item: Item, asked: Masks) -> Iterator[tuple[int, Answer]]:
        for row, found in plain(self, item, asked):
            nothing = (math.nan,) * len(found.likelihoods)
            yield row, found._replace(likelihoods=nothing) if encode(asked[row]) == lost else found

    monkeypatch.setattr(Likelihoods, "answers", answered_by_some)
    store = Store(InMemory())
    *events, last = agreeing(Engine(store), spec, [(1,), (2, 5)])
    assert isinstance(last, Answered)
    assert any(isinstance(event, Stage) and "no numbers after 1 of 3 removals" in event.text for event in events)
    masks = [encode(without(8, removed)) for removed in ((), (1,), (2, 5))]
    known = store.traits(tiny_loaded.info, masks)
    assert [[score.task for score in known[mask].task.values()] for mask in masks] == [["sums"], [], ["sums"]]
