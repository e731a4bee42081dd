"""The paper's network against torch's own layers and optimizer."""

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from torch import nn

from core.sampling.strata import stratified
from core.surrogate import paper_network
from core.surrogate.paper_network import Networks, _initial, fit, fit_as_paper

MASKS = stratified(10, (9, 8, 7, 6, 5), 200, 0)
SCORES = np.exp(-((~MASKS) @ np.linspace(0.05, 1.5, 10)))


def plain(networks: Networks) -> nn.Sequential:
    """The first of the paper's networks, written with torch's own layers, with the same initial weights."""
    layers = networks.layers
    hidden, hidden_bias, output, output_bias = networks.parts
    model = nn.Sequential(nn.Linear(layers, 2 * layers), nn.CELU(), nn.Linear(2 * layers, 1), nn.Sigmoid())
    with torch.no_grad():
        model[0].weight.copy_(hidden[0].T)
        model[0].bias.copy_(hidden_bias[0, 0])
        model[2].weight.copy_(output[0].T)
        model[2].bias.copy_(output_bias[0, 0])
    return model


def test_papers_recipe_is_the_papers() -> None:
    """Linear - CELU - Linear - Sigmoid, MSE, SGD 0.008 with momentum 0.9, 300 epochs of batches of 300, StepLR."""
    masks = stratified(10, (9, 8, 7, 6, 5), 400, 0)
    scores = np.exp(-((~masks) @ np.linspace(0.05, 1.5, 10)))
    model = plain(_initial(1, 10, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.008, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 100, 0.1)
    generator = torch.Generator().manual_seed(5)
    inputs, targets = torch.from_numpy(masks).float(), torch.from_numpy(scores).float()
    for _ in range(300):
        order = torch.randperm(400, generator=generator)
        for batch in (order[:300], order[300:]):
            loss = nn.functional.mse_loss(model(inputs[batch]).squeeze(1), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    expected = model(inputs).squeeze(1).detach().numpy()
    np.testing.assert_allclose(fit_as_paper(masks, scores, 5).predict(masks), expected, atol=1e-5)


def test_a_member_of_the_ensemble_is_trained_as_torch_would_train_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full batch, AdamW under OneCycleLR, which moves the first beta as well as the rate."""
    monkeypatch.setattr(paper_network, "_MEMBERS", 1)
    model = plain(_initial(1, 10, 5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.015, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.015, total_steps=1000)
    inputs, targets = torch.from_numpy(MASKS[:40]).float(), torch.from_numpy(SCORES[:40]).float()
    for _ in range(1000):
        loss = nn.functional.mse_loss(model(inputs).squeeze(1), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    expected = model(torch.from_numpy(MASKS).float()).squeeze(1).detach().numpy()
    np.testing.assert_allclose(fit(MASKS[:40], SCORES[:40], 5).predict(MASKS), expected, atol=1e-3)


def test_members_are_trained_each_by_itself() -> None:
    """The gradient of an ensemble is that of autograd of the sum of its members' losses."""
    networks, slope = _initial(3, 10, 5), _initial(3, 10, 0)
    inputs, targets = torch.from_numpy(MASKS).float(), torch.from_numpy(SCORES).float()
    networks._slope(inputs.expand(3, -1, -1), targets.view(1, -1, 1), slope)
    for member in range(3):
        model = plain(Networks(networks.weights[member : member + 1], 10))
        nn.functional.mse_loss(model(inputs).squeeze(1), targets).backward()
        of_hidden, of_hidden_bias, of_output, of_output_bias = (parameter.grad for parameter in model.parameters())
        expected = [of_hidden.T.flatten(), of_hidden_bias, of_output.flatten(), of_output_bias]
        torch.testing.assert_close(slope.weights[member], torch.cat(expected), atol=1e-7, rtol=1e-4)


def test_initial_weights_are_those_of_torch_linear() -> None:
    torch.manual_seed(0)
    theirs = [nn.Linear(30, 60) for _ in range(200)]
    ours = _initial(200, 30, 0).parts
    for mine, other in zip(ours[:2], ("weight", "bias"), strict=True):
        values = torch.cat([getattr(layer, other).flatten() for layer in theirs])
        assert mine.abs().max().item() == pytest.approx(values.abs().max().item(), rel=0.01)
        assert mine.std().item() == pytest.approx(values.std().item(), rel=0.05)


def test_predicts_masks_it_has_not_seen() -> None:
    other = stratified(10, (9, 8, 7, 6, 5), 400, 1)
    predicted = fit(MASKS, SCORES, 0).predict(other)
    assert r2_score(np.exp(-((~other) @ np.linspace(0.05, 1.5, 10))), predicted) > 0.95


def test_flips_are_predictions_of_flipped_masks() -> None:
    networks = fit(MASKS, SCORES, 0)
    whole, flipped = networks.with_flips(MASKS)
    np.testing.assert_array_equal(whole, networks.predict(MASKS))
    other = MASKS.copy()
    other[:, 4] ^= True
    np.testing.assert_array_equal(flipped[:, 4], networks.predict(other))
