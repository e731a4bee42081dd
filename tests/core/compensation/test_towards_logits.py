"""Steps towards the whole model's predictions: each part against autograd and plain algebra, and when they end."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

from core.compensation import towards_logits as module
from core.compensation.compensate import compensate
from core.compensation.projections import Patches, Projection, changed_by, patched
from core.compensation.towards_logits import DAMPINGS, LENGTHS, STEPS, towards_logits
from core.model.masked import playing
from core.model.model import LoadedModel
from core.pauses import come
from core.records.spec import TextProtocol
from core.text.windows import Windows

MASK = ~np.isin(np.arange(8), (2, 3, 6))
IDS = torch.randint(0, 256, (12, 16), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def of(tiny_loaded: LoadedModel) -> list[Projection]:
    return changed_by(tiny_loaded, [1, 5])


def divergence(loaded: LoadedModel) -> torch.Tensor:
    """The mean KL from the whole model's predictions, on which a gradient can be asked for."""
    with torch.no_grad():
        aim = loaded.model(input_ids=IDS, use_cache=False).logits[:, :-1].log_softmax(-1)
    with playing(loaded, MASK):
        ours = loaded.model(input_ids=IDS, use_cache=False).logits[:, :-1].log_softmax(-1)
    return F.kl_div(ours, aim, reduction="sum", log_target=True) / ours[..., 0].numel()


def loss_of(loaded: LoadedModel, patches: Patches) -> float:
    with torch.no_grad(), patched(loaded.model, patches):
        return float(divergence(loaded))


def test_the_gradient_is_that_of_the_weights(
    tiny_loaded: LoadedModel, of: list[Projection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With curvatures of one, a step is the gradient, which autograd has of the weights themselves."""
    monkeypatch.setattr(module, "_solved", lambda moments, right, damping: right)
    changes = module._steps(tiny_loaded, IDS, MASK, of, {})(1.0)
    weights = [projection.module.weight for projection in of]
    asked = [weight.requires_grad for weight in weights]
    slopes = torch.autograd.grad(divergence(tiny_loaded), weights)
    for change, slope in zip(changes, slopes, strict=True):
        torch.testing.assert_close(change, -slope.T, rtol=1e-4, atol=1e-7)
    assert [weight.requires_grad for weight in weights] == asked, "left as found"


def test_a_step_is_preceded_and_followed_by_inverse_second_moments(of: list[Projection]) -> None:
    rng = np.random.default_rng(0)
    x, slopes = rng.normal(size=(200, 5)), rng.normal(size=(200, 3))
    drawn = rng.normal(size=(200, 3))
    moments = module._Moments(of[0])
    for half in (slice(0, 100), slice(100, 200)):
        given = [torch.from_numpy(one[half]).float() for one in (x, slopes, drawn)]
        moments.add(given[0], given[1], drawn=False)
        moments.add(given[0], given[2], drawn=True)
    a, g = x.T @ x / 200, drawn.T @ drawn / 200
    a, g = (one + 3 * np.diagonal(one).mean() * np.eye(len(one)) for one in (a, g))
    expected = -np.linalg.inv(a) @ (x.T @ slopes / 200) @ np.linalg.inv(g)
    np.testing.assert_allclose(moments.step(200, 200, 3.0).numpy(), expected, rtol=1e-4)


def test_a_curvature_that_is_no_number_gives_none(of: list[Projection]) -> None:
    moments = module._Moments(of[0])
    for drawn in (False, True):
        moments.add(torch.full((4, 5), torch.nan), torch.ones(4, 3), drawn=drawn)
    assert moments.step(4, 4, 3.0).isnan().all()


def test_each_step_brings_predictions_nearer(tiny_loaded: LoadedModel, of: list[Projection]) -> None:
    before = {name: weight.clone() for name, weight in tiny_loaded.model.named_parameters()}
    judged = partial(loss_of, tiny_loaded)
    steps = list(towards_logits(tiny_loaded, IDS, MASK, of, {}, judged({}), judged))
    assert 0 < len(steps) <= STEPS
    losses = [loss_of(tiny_loaded, {}), *(loss_of(tiny_loaded, patches) for _, patches in steps)]
    for (step, patches), was, now in zip(steps, losses[:-1], losses[1:], strict=True):
        assert (step.before, step.after) == pytest.approx((was, now)) and now < was
        assert step.length in LENGTHS and step.damping in DAMPINGS
        assert patches.keys() == {f"{projection.name}.weight" for projection in of}
    assert all(torch.equal(before[name], weight) for name, weight in tiny_loaded.model.named_parameters())


def test_where_nothing_is_gained_nothing_moves(tiny_loaded: LoadedModel, of: list[Projection]) -> None:
    for worse in (2.0, 1.0, float("nan")):
        assert not list(towards_logits(tiny_loaded, IDS, MASK, of, {}, 1.0, lambda _, worse=worse: worse))


def test_where_memory_is_short_attention_moves_alone(
    tiny_loaded: LoadedModel, of: list[Projection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOM", 1)
    judged = partial(loss_of, tiny_loaded)
    _, patches = next(towards_logits(tiny_loaded, IDS, MASK, of, {}, judged({}), judged))
    assert patches and all("self_attn" in name for name in patches)


def test_a_step_is_the_same_at_every_time(tiny_loaded: LoadedModel, of: list[Projection]) -> None:
    one, other = (module._steps(tiny_loaded, IDS, MASK, of, {})(3.0) for _ in range(2))
    assert all(map(torch.equal, one, other))


def test_tokens_are_drawn_as_likely_as_they_are() -> None:
    chances = torch.tensor([0.5, 0.2, 0.3]).log().expand(20_000, 3)
    found = module._drawn(chances, torch.Generator().manual_seed(0)).bincount(minlength=3) / 20_000
    assert found.tolist() == pytest.approx([0.5, 0.2, 0.3], abs=0.02)
    assert module._drawn(torch.full((4, 3), torch.nan), torch.Generator()).max() < 3  # and nothing is raised


def test_what_is_told_is_what_plain_transformers_has(tiny_loaded: LoadedModel) -> None:
    """Fitted on words of the model's own, of which it knows most; and another fit gives the same weights."""
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 256, (600, 1), generator=random)
    with torch.no_grad():
        for _ in range(23):
            chances = tiny_loaded.model(input_ids=ids, use_cache=False).logits[:, -1].softmax(-1)
            ids = torch.cat([ids, torch.multinomial(chances, 1, generator=random)], dim=1)
    windows = Windows(ids, TextProtocol("its own", "whole", 24, 24, "none", len(ids), None, ""))
    mask = ~np.isin(np.arange(8), (2, 5))
    (done, patches), (again, others) = (come(compensate(tiny_loaded, windows, mask, "logits")) for _ in range(2))
    assert done == again and all(torch.equal(patches[name], others[name]) for name in patches)
    assert done.accepted == 2 and done.steps and done.steps[0].before == done.cuts[-1].after
    model = AutoModelForCausalLM.from_pretrained(tiny_loaded.checkpoint.folder, dtype=torch.float32).eval()
    for name, value in patches.items():
        model.get_parameter(name).data = value
    model.model.layers = torch.nn.ModuleList(model.model.layers[place] for place in np.flatnonzero(mask))
    with torch.no_grad():
        loss = model(input_ids=ids[-done.held :], labels=ids[-done.held :], use_cache=False).loss
    assert done.steps[-1].after == pytest.approx(float(loss), rel=1e-5) and done.steps[-1].after < done.cuts[-1].after
