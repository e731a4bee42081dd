"""Acceptance against plain transformers, token by token; cost against times that are known; and what gains."""

import copy
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import without
from core.drafting.gains import PROTOCOL, TOKENS, acceptance, drafting
from core.drafting.speculation import speedup
from core.errors import SelectionError, UnsupportedModel
from core.evaluate.game import Games
from core.export.delete_blocks import delete_blocks
from core.model.model import LoadedModel
from core.records.behaviour.drafts import Draft, Drafts
from core.records.behaviour.speeds import Ratio
from core.records.behaviour.writes import Share
from core.records.plans import Plan
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.speed import timing
from core.speed.generating import Generation
from core.text.self_written.prompts import PROMPTS
from tests.support.families import save_family


def plan_of(*removed: int) -> Plan:
    return Plan(len(removed), removed, 0, *[1.0] * 6)


def measured(spec: RunSpec, *plans: Plan) -> Drafts:
    store = Store(InMemory())
    work: Generator[object, None, Drafts] = drafting(store, Games(store), spec, plans)
    while True:
        try:
            next(work)
        except StopIteration as done:
            found: Drafts = done.value
            return found


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token takes 8 s and one more for each layer, and half a second more in every other run of a small model."""
    runs = iter(range(10**6))

    def written(model: Any, ids: torch.Tensor, tokens: int) -> Generation:
        layers = len(model.model.layers)
        return Generation(9.0, 8 + layers + (layers < 8) * (next(runs) % 2) / 2, ids, None)

    monkeypatch.setattr(timing, "generation", written)


@pytest.fixture(scope="module")
def idle(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model with a layer 4 that adds nothing."""
    folder = tmp_path_factory.mktemp("idle")
    model: Any = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    with torch.no_grad():
        model.model.layers[4].self_attn.o_proj.weight.zero_()
        model.model.layers[4].mlp.down_proj.weight.zero_()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)
    return folder


def test_a_token_is_accepted_where_both_would_write_it(tiny_loaded: LoadedModel) -> None:
    mask, tokenizer = without(8, (5,)), tiny_loaded.checkpoint.tokenizer
    smaller = copy.deepcopy(tiny_loaded.model)
    delete_blocks(smaller, tiny_loaded.blocks.path, mask)
    starts = [tokenizer(prompt).input_ids for prompt in PROMPTS[:3]]
    texts, right = [], []
    for start in starts:
        whole: Any = tiny_loaded.model.generate(torch.tensor([start]), max_new_tokens=9, do_sample=False)
        texts.append(whole[0, len(start) :].tolist())
        drafted = [
            smaller.generate(torch.tensor([start + texts[-1][:done]]), max_new_tokens=1, do_sample=False)[0, -1].item()
            for done in range(len(texts[-1]))
        ]
        right.append(sum(ours == theirs for ours, theirs in zip(drafted, texts[-1], strict=True)))
    found = acceptance(tiny_loaded, mask, starts, texts)
    assert found.of == sum(map(len, texts)) and found.value == pytest.approx(sum(right) / found.of)
    # Jackknife over texts: the usual error of a ratio, to first order.
    rests = [(sum(right) - r) / (found.of - len(text)) for r, text in zip(right, texts, strict=True)]
    assert 0 < found.value < 1
    assert found.error == pytest.approx(np.sqrt(2 / 3 * np.square(rests - np.mean(rests)).sum()), rel=0.2)


@pytest.mark.usefixtures("timed")
def test_a_layer_that_adds_nothing_gains(idle: Path, text_file: Path, spec: RunSpec) -> None:
    # In float32: texts are written token by token and read at once, which bfloat16 rounds apart.
    found = measured(replace(spec, model=str(idle), dtype="float32"), plan_of(4), plan_of(0, 1, 2, 3, 5, 6))
    always, seldom = found.plans
    assert always.acceptance == Share(1.0, 0.0, always.acceptance.of) and 0 < always.acceptance.of <= 20 * TOKENS
    counted = PROTOCOL.runs - PROTOCOL.warm_up
    assert always.cost.value == pytest.approx(15.25 / 16)
    assert always.cost.error == pytest.approx(np.std([7.0, 7.5] * (counted // 2), ddof=1) / 16 / np.sqrt(counted))
    assert always.length == 16 and always.speedup.value == pytest.approx(17 / (15.25 + 1))
    assert always.gains and found.best is found.most is always
    assert seldom.acceptance.value < 0.6 and not seldom.gains and seldom.cost.value == pytest.approx(10.25 / 16)
    assert seldom.speedup.value == pytest.approx(speedup(seldom.acceptance.value, 10.25 / 16, seldom.length))
    assert (found.prompts, found.tokens, found.protocol) == (20, TOKENS, PROTOCOL)


@pytest.mark.usefixtures("timed")
def test_an_engine_lends_what_it_takes(spec: RunSpec) -> None:
    asked = partial(drafting, spec=spec, plans=[plan_of(0)])
    assert list(Engine(Store(InMemory())).lend(asked))


def test_a_gain_is_one_beyond_chance() -> None:
    def draft(count: int, value: float, error: float) -> Draft:
        return Draft(count, tuple(range(count)), Share(0.9, 0.01, 100), Ratio(0.5, 0.01), 3, Ratio(value, error))

    def drafts(*plans: Draft) -> Drafts:
        return Drafts(None, 20, 64, PROTOCOL, 1, plans)

    unsure, sure, slow = draft(1, 1.3, 0.2), draft(2, 1.2, 0.05), draft(3, 0.9, 0.01)
    assert drafts(unsure, sure, slow).best is sure and drafts(unsure, sure, slow).most is unsure
    assert drafts(unsure, slow).best is None and drafts(slow).most is slow


def test_what_gives_no_drafts_is_refused(spec: RunSpec, tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="no plans"):
        measured(spec)
    with pytest.raises(SelectionError, match="9"):
        measured(spec, plan_of(9))
    mamba = save_family(tmp_path / "mamba", "Mamba")
    with pytest.raises(UnsupportedModel, match="MambaForCausalLM keeps a state"):
        measured(replace(spec, model=str(mamba)), plan_of(1))
