"""Training on examples that are made here: what is trained on, what a step does, and what is kept."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD
from transformers import AutoModelForCausalLM, get_linear_schedule_with_warmup

from core.compensation.projections import Patches
from core.errors import CorpusError, HealingError
from core.healing import training
from core.healing.adapters import Adapters
from core.healing.checkpoints import saved
from core.healing.examples import Example, Material, logits_of, loss_of, of_windows, predicted
from core.healing.training import batch_of, rate_at, train
from core.model.model import LoadedModel
from core.pauses import come
from core.records.events import Training
from core.records.mends import Heal, Healing
from core.records.spec import TextProtocol, TextSpec
from core.text.corpora import read
from core.text.windows import Windows, cut
from tests.support.models import LAYERS

pytest.importorskip("peft")

MASK = ~np.isin(np.arange(LAYERS), (2, 3, 6))
HEAL = Heal(steps=12, batch=6, warmup=2, rate=1e-2, held=8)


@pytest.fixture
def material(tiny_loaded: LoadedModel, text_file: Path) -> Material:
    spec = TextSpec(str(text_file), "calibration", 16, 60, seed=0)
    return of_windows(cut(read(str(text_file), "calibration"), tiny_loaded.checkpoint.tokenizer, spec), HEAL)


def trained(
    loaded: LoadedModel, material: Material, heal: Heal, file: Path, finish: bool = False
) -> tuple[Healing, Patches]:
    return come(train(loaded, MASK, {}, material, heal, file, finish=finish))


def held_out_loss(loaded: LoadedModel, material: Material, patches: Patches) -> float:
    """By plain transformers, whose ModuleList lost the blocks."""
    model = AutoModelForCausalLM.from_pretrained(loaded.checkpoint.folder, dtype=torch.float32).eval()
    own = dict(model.named_parameters())
    for name, value in patches.items():
        own[name].data = value
    model.model.layers = torch.nn.ModuleList(model.model.layers[i] for i in np.flatnonzero(MASK))
    with torch.inference_mode():
        losses = [model(input_ids=e.ids[None], labels=e.ids[None], use_cache=False).loss for e in material.held]
    return float(np.mean(losses))


def test_the_held_out_loss_falls_and_is_that_of_plain_transformers(
    tiny_loaded: LoadedModel, material: Material, tmp_path: Path
) -> None:
    done, patches = trained(tiny_loaded, material, HEAL, tmp_path / "state.pt")
    assert [reading.step for reading in done.readings] == [0, 2, 4, 6, 8, 10, 12]
    assert done.kept.perplexity < done.readings[0].perplexity
    for found, weights in ((done.readings[0], {}), (done.kept, patches)):
        assert np.log(found.perplexity) == pytest.approx(held_out_loss(tiny_loaded, material, weights), rel=1e-4)


def test_a_step_of_rate_zero_changes_nothing(tiny_loaded: LoadedModel, material: Material, tmp_path: Path) -> None:
    done, patches = trained(tiny_loaded, material, replace(HEAL, rate=0.0), tmp_path / "state.pt")
    assert {reading.perplexity for reading in done.readings} == {done.readings[0].perplexity}
    assert done.kept.step == 0 and patches == {}


def test_the_best_state_is_kept_not_the_last(tiny_loaded: LoadedModel, material: Material, tmp_path: Path) -> None:
    """A rate at which training first helps and then destroys."""
    done, patches = trained(
        tiny_loaded, material, replace(HEAL, rate=100.0, warmup=1000, steps=40), tmp_path / "state.pt"
    )
    perplexities = [reading.perplexity for reading in done.readings]
    assert done.kept.step > 0 and done.kept.perplexity == min(perplexities) < 0.98 * perplexities[-1]
    assert np.log(done.kept.perplexity) == pytest.approx(held_out_loss(tiny_loaded, material, patches), rel=1e-4)


@pytest.mark.parametrize("stopped", [3, 4, 11])
def test_one_that_was_stopped_ends_with_the_same_bits(
    stopped: int, tiny_loaded: LoadedModel, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "OFTEN", -1)  # a state after each step
    _, whole = trained(tiny_loaded, material, HEAL, tmp_path / "whole.pt")
    step, made = training._step, []

    def interrupted(*given: Any) -> float:
        made.append(1)
        if len(made) > stopped:
            raise KeyboardInterrupt
        return step(*given)

    file = tmp_path / "stopped.pt"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "_step", interrupted)
        trained(tiny_loaded, material, HEAL, file)
    state = saved(file, Adapters(tiny_loaded, MASK, {}, HEAL).weights)
    assert state is not None and state.step == stopped
    done, best = trained(tiny_loaded, material, HEAL, file, finish=True)
    assert done.steps == done.readings[-1].step == stopped and bool(best) == (done.kept.step > 0)
    for found in (done.kept, done.readings[-1]):
        weights = best if found is done.kept else _merged(tiny_loaded, state.weights)
        assert np.log(found.perplexity) == pytest.approx(held_out_loss(tiny_loaded, material, weights), rel=1e-4)
    _, found = trained(tiny_loaded, material, HEAL, file)
    assert found.keys() == whole.keys() and all(torch.equal(found[name], whole[name]) for name in whole)


def _merged(loaded: LoadedModel, weights: dict[str, torch.Tensor]) -> Patches:
    adapters = Adapters(loaded, MASK, {}, HEAL)
    adapters.put(weights)
    return adapters.merged()


def test_every_step_is_told_and_one_that_is_cancelled_is_kept_to_that_step(
    tiny_loaded: LoadedModel, material: Material, tmp_path: Path
) -> None:
    file, heal, losses = tmp_path / "state.pt", replace(HEAL, steps=12), {}
    for stop in (7, None):  # between two readings, and then to the end
        told, steps = None, train(tiny_loaded, MASK, {}, material, heal, file, finish=False)
        for event in steps:
            told = event.after(told) if isinstance(event, Training) else told
            if told is not None and len(told.losses) == stop:
                steps.close()
        assert told is not None
        losses[stop] = told.losses
        assert told.share == len(told.losses) / 12 and told.total == 12
    assert len(losses[7]) == 7 and len(losses[None]) == 12 and losses[None][:7] == losses[7]
    state = saved(file, Adapters(tiny_loaded, MASK, {}, heal).weights)
    assert state is not None and state.losses == losses[None]
    for before, reading in pairwise(state.readings):
        assert reading.loss == pytest.approx(np.mean(state.losses[before.step : reading.step]))


def test_nothing_to_finish_and_a_foreign_file(tiny_loaded: LoadedModel, material: Material, tmp_path: Path) -> None:
    with pytest.raises(HealingError, match="no such training"):
        trained(tiny_loaded, material, HEAL, tmp_path / "none.pt", finish=True)
    (tmp_path / "other.pt").write_text("something else")
    with pytest.raises(HealingError, match="no state of a training"):
        trained(tiny_loaded, material, HEAL, tmp_path / "other.pt")


@pytest.mark.parametrize("part", ["weights", "best"])
@pytest.mark.parametrize("lacks", [True, False])
def test_a_state_with_other_tensors(
    part: str, lacks: bool, tiny_loaded: LoadedModel, material: Material, tmp_path: Path
) -> None:
    file = tmp_path / "state.pt"
    trained(tiny_loaded, material, replace(HEAL, steps=1), file)
    entries = torch.load(file, weights_only=True)
    name = next(iter(entries[part]))
    if lacks:
        del entries[part][name]
    else:
        entries[part][name] = entries[part][name][:1, :1]
    torch.save(entries, file)
    with pytest.raises(HealingError, match="no state of a training"):
        trained(tiny_loaded, material, replace(HEAL, steps=1), file)


def test_a_batch_with_answers_alone_has_hugging_faces_loss(tiny_loaded: LoadedModel) -> None:
    generator = torch.Generator().manual_seed(0)
    examples = [
        Example(torch.randint(250, (length,), generator=generator), start)
        for length, start in ((9, 4), (14, 13), (6, 1))
    ]
    total = loss_of(logits_of(tiny_loaded.model, examples, "cpu"), examples)
    assert predicted(examples) == sum(len(one.ids) - one.start for one in examples)
    wanted = 0.0
    for one in examples:
        labels = one.ids.clone()
        labels[: one.start] = -100
        loss = tiny_loaded.model(input_ids=one.ids[None], labels=labels[None], use_cache=False).loss
        wanted += float(loss.detach()) * (len(one.ids) - one.start)
    assert float(total.detach()) == pytest.approx(wanted, rel=1e-4)


@given(count=st.integers(1, 80), kinds=st.integers(1, 40), held=st.integers(1, 40), fitted=st.integers(0, 60))
def test_what_is_held_out_is_never_trained_on(count: int, kinds: int, held: int, fitted: int) -> None:
    ids = torch.arange(count)[:, None] % kinds * torch.ones(1, 4, dtype=torch.long)
    protocol = TextProtocol("a text", "calibration", 4, 4, "none", count, 0, "0123456789abcdef")
    heal = replace(HEAL, held=held)
    try:
        found = of_windows(Windows(ids, protocol), heal, fitted)
    except CorpusError:
        assert count < max(16, fitted + min(held, count // 4)) or kinds <= min(held, count // 4)
        return
    kept = {tuple(example.ids.tolist()) for example in found.held}
    assert 1 <= len(found.held) <= min(held, count // 4) and len(found.held) + fitted <= count
    for step in range(3):
        assert not kept & {tuple(example.ids.tolist()) for example in batch_of(found.train, heal, step)}


@given(count=st.integers(1, 50), batch=st.integers(1, 20))
def test_every_pass_sees_every_example_once(count: int, batch: int) -> None:
    examples = [Example(torch.tensor([number, 0])) for number in range(count)]
    steps = -(-2 * count // batch)
    seen = [int(one.ids[0]) for step in range(steps) for one in batch_of(examples, replace(HEAL, batch=batch), step)]
    assert sorted(seen[:count]) == sorted(seen[count : 2 * count]) == list(range(count))


@pytest.mark.parametrize(("warmup", "total"), [(0, 64), (100, 300), (10, 11)])
def test_the_learning_rate_is_hugging_faces_line(warmup: int, total: int) -> None:
    heal = replace(HEAL, warmup=warmup, rate=0.5)
    optimiser = SGD([torch.nn.Parameter(torch.zeros(1))], lr=heal.rate)
    schedule = get_linear_schedule_with_warmup(optimiser, warmup, total)
    for step in range(total):
        assert rate_at(heal, step, total) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
