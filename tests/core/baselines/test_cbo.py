"""CBO: derivatives against differences of plain forwards, energies against all sets of a size."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from core.baselines import cbo as module
from core.baselines.cbo import cbo, check_derivatives, derivatives, lowest
from core.baselines.contest import Contest
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.coalitions.players import players_of
from core.errors import SelectionError
from core.evaluate.meter import Meter
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel, load
from tests.support.models import LAYERS, save_model

IDS = torch.randint(0, 256, (3, 12), generator=torch.Generator().manual_seed(1))


def gated_loss(loaded: LoadedModel, gates: np.ndarray) -> float:
    """By plain transformers in float64: each block's answer is its input and so much of what it has added."""
    model = loaded.model.double()
    handles = [
        block.register_forward_hook(
            lambda _, args, output, gate=gate: args[0] + gate * (output - args[0])  # this model's blocks answer so
        )
        for block, gate in zip(model.model.layers, gates, strict=True)
    ]
    try:
        with torch.inference_mode():
            losses = [
                torch.nn.functional.cross_entropy(model(input_ids=one[None], use_cache=False).logits[0, :-1], one[1:])
                for one in IDS
            ]
    finally:
        for handle in handles:
            handle.remove()
        model.float()
    return float(np.mean(losses))


def test_gradient_and_hessian_are_those_of_gates(tiny_loaded: LoadedModel) -> None:
    before = [weight.requires_grad for weight in tiny_loaded.model.parameters()]
    gradient, hessian = derivatives(tiny_loaded, IDS)
    assert [weight.requires_grad for weight in tiny_loaded.model.parameters()] == before
    assert gradient.shape == (LAYERS,) and np.array_equal(hessian, hessian.T)
    step, unit = 1e-2, np.eye(LAYERS)  # norms are taken in float32, which a smaller step would drown in
    for i, j in ((0, 0), (2, 5), (7, 3)):
        up, down = (gated_loss(tiny_loaded, 1 + sign * step * unit[i]) for sign in (1, -1))
        assert gradient[i] == pytest.approx((up - down) / (2 * step), rel=1e-2, abs=1e-4)
        corners = [
            sign * other * gated_loss(tiny_loaded, 1 + step * (sign * unit[i] + other * unit[j]))
            for sign in (1, -1)
            for other in (1, -1)
        ]
        assert hessian[i, j] == pytest.approx(sum(corners) / (4 * step**2), rel=2e-2, abs=2e-3)


@pytest.mark.parametrize("listed", [50_000, 0])
@pytest.mark.parametrize("count", [1, 3, 5, 9])
def test_sets_of_lowest_energy(count: int, listed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against all sets of that size; descents find the lowest, and no set twice."""
    monkeypatch.setattr(module, "_LISTED", listed)
    drawn = np.random.default_rng(count)
    linear, half = drawn.normal(size=10), drawn.normal(size=(10, 10))
    square = half + half.T

    def energy(one: tuple[int, ...]) -> float:
        z = (~without(10, one)).astype(float)
        return float(linear @ z + z @ square @ z / 2)

    every = sorted(combinations(range(10), count), key=energy)
    found = lowest(linear, square, count, 0)
    assert found[0] == every[0] and len(set(found)) == len(found) <= 10
    if listed:
        assert found == every[:10]
    energies = [energy(one) for one in found]
    assert energies == sorted(energies) and all(len(one) == count for one in found)


def test_the_best_of_them_is_taken(tiny_loaded: LoadedModel) -> None:
    one = Contest(tiny_loaded, IDS, Meter(tiny_loaded, IDS, (3,)), (2, 3))
    plans = cbo(one)
    gradient, hessian = derivatives(tiny_loaded, IDS)
    for count, plan in plans.items():
        losses = {
            gone: float(sequence_losses(tiny_loaded, IDS, without(LAYERS, gone)).mean())
            for gone in lowest(-gradient, hessian, count, 0)
        }
        assert plan == min(losses, key=losses.__getitem__) and len(losses) == 10
    assert one.meter.plain > 0


def test_descents_end_whatever_they_are_given() -> None:
    """Ties at any scale, which rounding would turn in circles; and what is no number."""
    for scale in (1.0, 1e6, np.nan):
        drawn = np.random.default_rng(0)
        half = np.repeat(np.repeat(drawn.normal(size=(15, 15)), 2, axis=0), 2, axis=1) * scale
        found = lowest(np.zeros(30), half + half.T, 12, 0)
        assert all(len(one) == 12 for one in found)


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    loaded = load(locate(str(save_model(tmp_path))), "float32", "cpu")
    check_derivatives(loaded)
    with torch.no_grad():
        loaded.model.model.layers[3].mlp.down_proj.weight[0, 0] = torch.nan
    with pytest.raises(SelectionError, match="and some are no numbers"):
        check_derivatives(loaded)


def test_in_16_bits_they_are_those_of_32(tiny_loaded: LoadedModel) -> None:
    half = load(tiny_loaded.checkpoint, "bfloat16", "cpu")
    for exact, rounded in zip(derivatives(tiny_loaded, IDS), derivatives(half, IDS), strict=True):
        assert np.abs(exact - rounded).max() < 0.1 * np.abs(exact).max()


def test_players_may_be_groups(tiny_loaded: LoadedModel) -> None:
    """A gate for all blocks of a group: its derivative is the sum of theirs."""
    blocks, _ = derivatives(tiny_loaded, IDS)
    groups, _ = derivatives(tiny_loaded.played_by(players_of(LAYERS, "group:2", ())), IDS)
    np.testing.assert_allclose(groups, blocks.reshape(-1, 2).sum(axis=1), rtol=1e-3, atol=1e-5)
