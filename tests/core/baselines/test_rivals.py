"""The rivals against their definitions by plain forwards."""

from dataclasses import fields
from itertools import combinations
from typing import NoReturn

import numpy as np
import pytest
import torch

from core.baselines import criteria
from core.baselines.contest import Contest
from core.baselines.evopress import evopress
from core.baselines.sleb import sleb
from core.baselines.table import RIVALS
from core.coalitions.masks import without
from core.coalitions.players import players_of, spans
from core.evaluate.meter import Meter
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel
from core.model.similarity import similarity
from core.model.skipping import skipping
from core.records.plans import METHODS, OURS, methods_for
from tests.support.models import LAYERS

BLOCKS = tuple(map(str, range(LAYERS)))
IDS = torch.randint(0, 256, (10, 12), generator=torch.Generator().manual_seed(1))


def contest(loaded: LoadedModel, units: float | None = None) -> Contest:
    meter = Meter(loaded, IDS, (2, 10), divergences=True)
    return Contest(loaded, IDS, meter, (1, 2, 3), units=units)


def test_block_influence_and_windows(tiny_loaded: LoadedModel) -> None:
    near = similarity(tiny_loaded, IDS)
    influence = criteria.block_influence(near, spans(BLOCKS))
    assert influence.shape == (LAYERS,) and influence[2] == pytest.approx(1 - near.cosine[2, 3])
    free = [place for place in range(LAYERS) if place != 3]  # a protected block stands between the windows
    plans = criteria.windows(near.angle, [(place, place + 1) for place in free], 4)
    angles = [near.angle[first, first + 3] for first in (0, 4, 5)]
    best = (0, 4, 5)[int(np.argmin(angles))]
    assert [free[place] for place in plans[3]] == [best, best + 1, best + 2]


def test_taylor_is_the_first_order_term(tiny_loaded: LoadedModel) -> None:
    """Gradients of the summed loss by plain autograd; and the model is left as it was."""
    model = tiny_loaded.model
    before = [weight.requires_grad for weight in model.parameters()]
    found = criteria.taylor(tiny_loaded, IDS)
    assert [weight.requires_grad for weight in model.parameters()] == before
    assert all(weight.grad is None for weight in model.parameters())
    weights = list(tiny_loaded.blocks.modules[3].parameters())
    loss = sum(model(input_ids=one[None], labels=one[None], use_cache=False).loss for one in IDS)
    gradients = torch.autograd.grad(loss, weights)
    expected = sum(float((w.detach() * g).abs().sum()) for w, g in zip(weights, gradients, strict=True))
    assert found[3] == pytest.approx(expected, rel=1e-3)


def test_one_shot_and_sleb_are_their_definitions(tiny_loaded: LoadedModel) -> None:
    def loss(mask: np.ndarray) -> float:
        return float(sequence_losses(tiny_loaded, IDS, mask).mean())

    found = criteria.one_shot(contest(tiny_loaded).meter, 10)
    np.testing.assert_allclose(found, [loss(without(LAYERS, [layer])) for layer in range(LAYERS)], rtol=1e-5)
    gone: list[int] = []
    for count, plan in sleb(contest(tiny_loaded)).items():
        choices = [layer for layer in range(1, LAYERS - 1) if layer not in gone]
        gone.append(min(choices, key=lambda layer: loss(without(LAYERS, [*gone, layer]))))
        assert plan == tuple(sorted(gone)) and len(plan) == count


def test_evopress_finds_the_least_divergence(tiny_loaded: LoadedModel) -> None:
    """By enumeration of the pairs, with KL of plain forwards."""
    with torch.inference_mode():
        dense = tiny_loaded.model(input_ids=IDS).logits[:, :-1].log_softmax(-1)

        def divergence(mask: np.ndarray) -> float:
            with skipping(tiny_loaded.blocks, mask):
                pruned = tiny_loaded.model(input_ids=IDS, use_cache=False).logits[:, :-1].log_softmax(-1)
            return float((dense.exp() * (dense - pruned)).sum(-1).mean())

        best = min((without(LAYERS, gone) for gone in combinations(range(LAYERS), 2)), key=divergence)
    assert evopress(contest(tiny_loaded))[2] == tuple(int(layer) for layer in np.flatnonzero(~best))


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("kind", ["block", "sublayer", "group:2"])
def test_every_rival_gives_plans_of_every_count(name: str, kind: str, tiny_loaded: LoadedModel) -> None:
    one = contest(tiny_loaded.played_by(players_of(LAYERS, kind, (0,))), units=0.1)
    if name not in methods_for(kind):
        return
    for count, plan in RIVALS[name](one).items():
        assert len(plan) == count and list(plan) == sorted(set(plan)) and {*plan} <= {*range(one.meter.players)}
    assert (one.meter.plain > 0) == (name not in ("random", "magnitude"))


def test_every_rival_has_its_row_and_every_row_its_rival() -> None:
    assert [OURS, *RIVALS] == [*METHODS] == [method.name for method in METHODS.values()]


@pytest.mark.parametrize("name", RIVALS)
def test_what_a_method_asks_for_is_what_its_row_says(name: str, tiny_loaded: LoadedModel) -> None:
    """KL of a meter that has none, weights of a model that gives none away, and hidden states between blocks."""

    class Refused(Exception):
        pass

    class Grudging(LoadedModel):
        @property
        def weights(self) -> NoReturn:
            raise Refused("weights")

    class NoDivergences(Meter):
        def divergences(self, masks: np.ndarray, sequences: int) -> NoReturn:
            raise Refused("divergences")

    def refuse(*_: object) -> NoReturn:
        raise Refused("hidden states")

    loaded = Grudging(**{field.name: getattr(tiny_loaded, field.name) for field in fields(LoadedModel)})
    one = Contest(loaded, IDS, NoDivergences(loaded, IDS, (2, 10)), (1, 2), units=0.1)
    row, asked = METHODS[name], ""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("table", "compensated.prune_comp"):
            patch.setattr(f"core.baselines.{module}.similarity", refuse)
        patch.setattr("core.baselines.cbo.hidden_of", refuse)
        try:
            RIVALS[name](one)
        except Refused as refused:
            asked = str(refused)
    expected = {"divergences": row.by_divergence, "weights": row.by_weights, "hidden states": row.between_blocks}
    assert asked == next((what for what, needed in expected.items() if needed), "")
