"""Figures of speed: what counts, in which order it is measured, and what is refused before any work."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import without
from core.errors import QuorumError, SelectionError
from core.model.model import LoadedModel
from core.records.behaviour.speeds import Speed, SpeedProtocol
from core.records.events import Stage, Timed
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.speed import timing
from core.speed.generating import Generation, generation
from core.speed.latency import seconds
from core.speed.peak_memory import most_held, weight_bytes
from core.speed.shared_copy import shared_copy

SHORT = SpeedProtocol(prompt=5, tokens=4, runs=4, warm_up=1, batches=(1, 3))


@pytest.fixture(scope="module")
def both(tiny_loaded: LoadedModel) -> Any:
    return shared_copy(tiny_loaded, without(8, ())), shared_copy(tiny_loaded, without(8, (0, 1, 2)))


def measured(models: Any, how: SpeedProtocol) -> Speed:
    events = timing.in_turn(models, how)
    while True:
        try:
            assert isinstance(next(events), Stage)
        except StopIteration as done:
            found: Speed = done.value
            return found


def test_keys_values_and_weights_are_those_of_the_configuration(both: Any) -> None:
    found = measured(both, SHORT)
    for paces, layers, model in ((found.whole, 8, both[0]), (found.smaller, 5, both[1])):
        assert paces.parameters == sum(weight.numel() for weight in model.parameters())  # tied, and told once
        assert 4 * paces.parameters <= paces.weight_bytes < 4 * paces.parameters + 1000  # and a few frequencies
        for batch, pace in zip((1, 3), paces.paces, strict=True):
            # Of each layer 2 heads of 8 keys and values, in float32, for all tokens but the last one.
            assert pace.cache_bytes == batch * layers * 2 * 2 * 8 * 4 * (5 + 4 - 1) and pace.batch == batch
            assert pace.peak_bytes is not None and pace.peak_bytes > paces.weight_bytes + pace.cache_bytes
            assert pace.throughput == pytest.approx(batch * 4 / pace.latency.mean)
            assert pace.latency.mean == pytest.approx(pace.prefill.mean + pace.decode.mean)


def test_both_are_timed_in_turn_and_what_warms_up_does_not_count(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(np.random.default_rng(0).uniform(1, 2, (16, 2)))
    order: list[tuple[int, float, float]] = []

    def written(model: Any, ids: torch.Tensor, tokens: int) -> Generation:
        prefill, decode = next(times)
        order.append((both.index(model), prefill, decode))
        return Generation(prefill, decode, ids, None)

    monkeypatch.setattr(timing, "generation", written)
    monkeypatch.setattr(timing, "most_held", lambda device, work: None)
    found = measured(both, replace(SHORT, batches=(2,)))
    assert [place for place, *_ in order] == [1, 0, 0, 1, 1, 0, 0, 1]
    for place, paces in enumerate((found.whole, found.smaller)):
        counted = np.array([taken for which, *taken in order if which == place][1:])
        [pace] = paces.paces
        for spread, values in zip((pace.prefill, pace.decode, pace.latency), (*counted.T, counted.sum(1)), strict=True):
            assert (spread.mean, spread.sd) == pytest.approx((values.mean(), values.std(ddof=1)))
        assert pace.cache_bytes is pace.peak_bytes is None
    [speedup] = found.speedups
    whole, smaller = (np.array([taken for which, *taken in order if which == place][1:]).sum(1) for place in (0, 1))
    ratio = whole.mean() / smaller.mean()
    assert speedup.batch == 2 and speedup.latency.value == pytest.approx(ratio)
    # By the first order of the means' covariance, as textbooks have it.
    spread = np.cov(np.stack([whole, smaller])) / len(whole)
    slopes = np.array([1 / smaller.mean(), -ratio / smaller.mean()])
    assert speedup.latency.error == pytest.approx(np.sqrt(slopes @ spread @ slopes))


def test_the_peak_is_what_is_held_at_once() -> None:
    def work() -> None:
        first, second = torch.zeros(10**6), torch.zeros(10**6)
        del first
        third = torch.zeros(5 * 10**5)
        del second, third

    assert most_held("cpu", work) == 8 * 10**6


def test_weights_that_are_shared_count_once() -> None:
    first, second = torch.nn.Linear(10, 10, bias=False), torch.nn.Linear(10, 10, bias=False)
    second.weight = first.weight
    assert weight_bytes(torch.nn.ModuleList([first, second])) == 400


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (replace(SHORT, runs=2), "Of 2 runs, 1 to warm up leave too few"),
        (replace(SHORT, warm_up=-1), "to warm up leave too few"),
        (replace(SHORT, prompt=0), "A prompt of 0 tokens and 4 new ones"),
        (replace(SHORT, tokens=1), "1 new ones give no speed"),
        (replace(SHORT, batches=()), "Batches of nothing"),
        (replace(SHORT, batches=(1, 0)), "Batches of 1, 0"),
        (replace(SHORT, batches=(2, 2)), "Batches of 2, 2"),
        (replace(SHORT, tokens=252), "are 257: .* has 256 positions"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_loaded(how: SpeedProtocol, why: str, spec: RunSpec) -> None:
    with pytest.raises(SelectionError, match=why):
        list(_engine().time(spec, [0], how))


def test_unknown_layers_and_folders_are_refused(spec: RunSpec) -> None:
    with pytest.raises(SelectionError, match="There is no player 9"):
        list(_engine().time(spec, ["9"], SHORT))
    with pytest.raises(QuorumError, match="nowhere"):
        list(_engine().time(spec, [], SHORT, "/nowhere"))


def test_an_engine_times_a_model_without_layers(spec: RunSpec) -> None:
    *stages, done = _engine().time(spec, ["2", "5"], SHORT)
    assert isinstance(done, Timed) and done.removed == (2, 5) and done.speed.protocol == SHORT
    told = [event.text for event in stages if isinstance(event, Stage) and event.text.startswith("Timing")]
    first, *later = [text.removeprefix("Timing both models in turn, ") for text in told]
    assert first == "batch 1: 4 runs of each" and later[0].startswith("batch 1: 1 of 4 runs of each, ")
    assert [text[:7] for text in later] == ["batch 1"] * 3 + ["batch 3"] * 4


def test_a_forward_is_timed_and_leaves_the_model_as_it_was(tiny_loaded: LoadedModel) -> None:
    ids = torch.arange(32)[None]
    before = tiny_loaded.model(input_ids=ids).logits
    whole, pruned = seconds(tiny_loaded, ids, without(8, (1, 2, 3)))
    assert whole > 0 and pruned > 0
    assert torch.equal(tiny_loaded.model(input_ids=ids).logits, before)


def test_a_checkpoint_s_own_settings_end_no_text(tiny_loaded: LoadedModel) -> None:
    smaller = shared_copy(tiny_loaded, without(8, (0,)))
    first = generation(smaller, torch.arange(6)[None], 2).ids[0, -2].item()
    settings = tiny_loaded.model.generation_config
    assert settings is not None
    own, settings.eos_token_id = settings.eos_token_id, first
    try:
        assert generation(shared_copy(tiny_loaded, without(8, (0,))), torch.arange(6)[None], 9).ids.shape == (1, 15)
    finally:
        settings.eos_token_id = own


def _engine() -> Engine:
    return Engine(Store(InMemory()))
