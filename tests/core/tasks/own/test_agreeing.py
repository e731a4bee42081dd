"""Agreement as a task is the top-1 agreement of plain forwards, and the whole model agrees with itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from cache.in_memory import InMemory
from cache.store import Store
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import everything, without
from core.errors import CorpusError, TaskError
from core.evaluate.game import Games
from core.pauses import come
from core.records.behaviour.needs import ACCURACY, MARGIN
from core.records.spec import RunSpec
from core.tasks.answering import Questions, answered
from core.tasks.needing import Estimates, checking, needing
from core.text.corpora import read
from core.text.windows import cut
from tests.support.commands import Cli

REMOVED = (2, 5)


@pytest.fixture
def spec(tiny: Path, text_file: Path) -> RunSpec:
    return RunSpec(model=str(tiny), corpus=str(text_file), sequences=5, window=12, dtype="float32", device="cpu")


def plain(tiny: Path, spec: RunSpec, removed: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The likeliest tokens by transformers' own model without layers, (windows, tokens - 1)."""
    text = replace(spec.text("evaluation"), sequences=5)
    ids = cut(read(spec.corpus, "evaluation"), locate(str(tiny)).tokenizer, text).ids
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    for layer in reversed(removed):
        del model.model.layers[layer]
    with torch.no_grad():
        return np.asarray(model(ids, use_cache=False).logits[:, :-1].argmax(-1))


def test_it_is_the_share_of_tokens_for_which_plain_models_say_the_same(tiny: Path, spec: RunSpec) -> None:
    store = Store(InMemory())
    _, found = come(answered(store, Games(store), spec, Questions(("agreement",)), [(), REMOVED]))
    whole, pruned = ([metric for metric in one.tasks[0].metrics if metric.name == "acc"] for one in found)
    same = (plain(tiny, spec, ()) == plain(tiny, spec, REMOVED)).mean(axis=1)
    assert 0 < same.mean() < 1
    assert (whole[0].value, whole[0].error) == (1.0, 0.0)
    assert pruned[0].value == pytest.approx(same.mean())
    assert pruned[0].error == pytest.approx(same.std(ddof=1) / np.sqrt(5))
    assert found[0].tasks[0].items == 5 and "evaluation" in found[0].tasks[0].source


def test_values_add_up_to_the_agreement_that_all_layers_bring(tiny: Path, spec: RunSpec) -> None:
    spec, store = replace(spec, players="group:2"), Store(InMemory())
    masks = everything(4)[:-1]
    wanted = Estimates("shapley", ACCURACY, (1, 2, 3))
    _, [found] = come(needing(store, Games(store), spec, Questions(("agreement",)), masks, wanted))
    none = (plain(tiny, spec, ()) == plain(tiny, spec, tuple(range(8)))).mean()
    assert sum(item.value for item in found.values.values) == pytest.approx(1 - none)
    assert encodes_both(found.worth)


def encodes_both(worth: str) -> bool:
    return worth.startswith("accuracy of agreement") and "5 items" in worth


def test_what_it_cannot_be_asked_for_is_said_first(spec: RunSpec) -> None:
    store = Store(InMemory())
    for wrong, questions, kind, says in (
        (spec, Questions(("agreement",), limit=3), TaskError, "3 items"),
        (spec, Questions(("agreement",), limit=100_000), CorpusError, "too short"),
        (replace(spec, corpus="/nowhere.txt"), Questions(("agreement",)), CorpusError, "no corpus"),
    ):
        with pytest.raises(kind, match=says):
            come(checking(store, Games(store), wrong, questions, ACCURACY))
    with pytest.raises(TaskError, match="no margin"):
        masks, wanted = without(8, (1,))[None], Estimates("shapley", MARGIN, (4,))
        come(needing(store, Games(store), spec, Questions(("agreement",)), masks, wanted))


def test_a_run_goes_on_to_it(cli: Cli, tiny: Path, text_file: Path) -> None:
    small = ("--model", tiny, "--dtype", "float32", "--corpus", text_file, "--sequences", 4, "--window", 16)
    status, answer, errors = cli("run", *small, "--masks", 40, "--no-search", "--worth", "agreement", "--limit", 6)
    assert status == 0, errors
    [task] = answer["needs"]["tasks"]
    assert (task["task"], task["answers"], task["items"]) == ("agreement", "accuracy", 6)
    assert answer["needs"]["correlations"]["of"] == ["text", "agreement"]


def test_more_contexts_than_memory_is_meant_for_are_refused_first(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object) -> NoReturn:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("core.evaluate.game.load", loaded)
    monkeypatch.setattr("core.tasks.own.agreeing._MOST", 4 * sum(range(12)))
    store = Store(InMemory())
    with pytest.raises(TaskError, match="5 windows of 12 tokens has 330 tokens") as refused:
        come(answered(store, Games(store), spec, Questions(("agreement",)), [()]))
    assert "--limit 4" in refused.value.hint
    with pytest.raises(AssertionError, match="is loaded"):
        come(answered(store, Games(store), spec, Questions(("agreement",), limit=4), [()]))
