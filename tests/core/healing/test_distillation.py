"""Distillation against the definition of KL, written out in float64, and against gradients of plain models."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from core.healing import training
from core.healing.adapters import Adapters
from core.healing.distillation import divergence, whole_logits
from core.healing.examples import Example, Material
from core.healing.training import train
from core.model.model import LoadedModel
from core.records.mends import Heal
from tests.support.models import LAYERS

pytest.importorskip("peft")

MASK = ~np.isin(np.arange(LAYERS), (2, 3, 6))
HEAL = Heal(steps=4, batch=6, warmup=0, rate=1e-2, held=4)


@pytest.fixture
def material() -> Material:
    """Examples of several lengths, of some of which only the end is predicted."""
    draw = torch.Generator().manual_seed(0)
    lengths = [(length, 1 + (length % 3) * 2) for length in range(8, 32)]
    examples = [Example(torch.randint(250, (length,), generator=draw), start) for length, start in lengths]
    return Material(examples[4:], examples[:4], "made here", "0123456789abcdef")


def softened(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    weights = torch.exp((logits.double() - logits.double().max(dim=-1, keepdim=True).values) / temperature)
    return weights / weights.sum(dim=-1, keepdim=True)


@given(seed=st.integers(0, 1000), temperature=st.floats(0.5, 20))
def test_the_divergence_is_its_definition(seed: int, temperature: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    pruned, whole = (3 * torch.randn(5, 11, generator=draw) for _ in range(2))
    ours, aim = softened(pruned, temperature), softened(whole, temperature)
    wanted = temperature**2 * float((aim * (aim / ours).log()).sum())
    assert float(divergence(pruned, whole, temperature)) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert float(divergence(whole, whole, temperature)) == pytest.approx(0, abs=1e-4)


def test_the_whole_models_logits_are_those_of_plain_transformers(tiny_loaded: LoadedModel, material: Material) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_loaded.checkpoint.folder, dtype=torch.float32).eval()
    some = material.train[:3]
    with torch.inference_mode():
        wanted = [model(input_ids=one.ids[None]).logits[0, one.start - 1 : -1] for one in some]
    assert torch.allclose(whole_logits(tiny_loaded, some), torch.cat(wanted), atol=1e-4)


@pytest.mark.parametrize(("distil", "temperature"), [(0.3, 2.0), (1.0, 1.0)])
def test_loss_and_gradient_of_a_step_are_those_of_two_plain_models(
    distil: float, temperature: float, tiny_loaded: LoadedModel, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first step without dropout: the additions are zero, and B's gradient is that of the weight it adds to."""
    heal = replace(HEAL, distil=distil, temperature=temperature, dropout=0.0, rank=4, alpha=4)
    adapters = Adapters(tiny_loaded, MASK, {}, heal)
    optimiser = torch.optim.SGD(adapters.weights.values(), lr=0.0)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: None)
    monkeypatch.setattr(optimiser, "zero_grad", lambda: None)
    found = training._step(tiny_loaded, adapters, optimiser, material.train, heal, 0, 4)

    whole, pruned = (
        AutoModelForCausalLM.from_pretrained(tiny_loaded.checkpoint.folder, dtype=torch.float32).eval()
        for _ in range(2)
    )
    kept = np.flatnonzero(MASK)
    pruned.model.layers = torch.nn.ModuleList(pruned.model.layers[block] for block in kept)
    loss, tokens = torch.zeros((), dtype=torch.float64), 0
    for one in training.batch_of(material.train, heal, 0):
        with torch.no_grad():
            aim = softened(whole(input_ids=one.ids[None]).logits[0, one.start - 1 : -1], temperature)
        logits = pruned(input_ids=one.ids[None], use_cache=False).logits[0, one.start - 1 : -1]
        ours, wanted = softened(logits, 1.0), one.ids[one.start :]
        own = -ours[torch.arange(len(wanted)), wanted].log().sum()
        kl = (aim * (aim / softened(logits, temperature)).log()).sum() * temperature**2
        loss, tokens = loss + (1 - distil) * own + distil * kl, tokens + len(wanted)
    loss = loss / tokens
    loss.backward()
    assert found == pytest.approx(float(loss), rel=1e-4)
    for place, block in enumerate(kept):
        for name in ("self_attn.q_proj", "mlp.down_proj"):
            full = pruned.model.layers[place].get_submodule(name).weight.grad
            first = adapters.weights[f"model.layers.{block}.{name}.lora_A"]
            second = adapters.weights[f"model.layers.{block}.{name}.lora_B"]
            assert second.grad is not None and float(full.abs().max()) > 0
            assert torch.allclose(second.grad, full @ first.detach().T, rtol=1e-2, atol=1e-6), (block, name)


def test_a_share_of_zero_is_plain_healing_to_the_bit(
    tiny_loaded: LoadedModel, material: Material, tmp_path: Path
) -> None:
    found = []
    for place, heal in enumerate((HEAL, replace(HEAL, temperature=7.0), replace(HEAL, distil=0.5))):
        steps = train(tiny_loaded, MASK, {}, material, heal, tmp_path / f"{place}.pt", finish=False)
        for _ in steps:
            pass
        found.append(torch.load(tmp_path / f"{place}.pt", weights_only=True))
    plain, warm, distilled = (each["weights"] for each in found)
    assert all(torch.equal(plain[name], warm[name]) for name in plain) and found[0]["losses"] == found[1]["losses"]
    assert any(not torch.equal(plain[name], distilled[name]) for name in plain)


def test_distilled_and_stopped_it_ends_with_the_same_bits(
    tiny_loaded: LoadedModel, material: Material, tmp_path: Path
) -> None:
    heal = replace(HEAL, distil=0.5, temperature=2.0, steps=8)
    ends = []
    for stops in ((), (3, 5)):
        file = tmp_path / f"{len(stops)}.pt"
        for stop in (*stops, 8):
            steps = train(tiny_loaded, MASK, {}, material, heal, file, finish=False)
            for event in steps:
                if getattr(event, "share", 0) * 8 == stop < 8:
                    steps.close()
        ends.append(torch.load(file, weights_only=True)["weights"])
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
