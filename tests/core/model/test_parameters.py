"""What is left of a model's parameters without some players: counted once, and by results as by models."""

import numpy as np
import pytest
from torch import nn

from core.coalitions.players import players_of, switches
from core.model import model
from core.model.model import LoadedModel
from tests.support.models import LAYERS


def test_every_block_is_counted_once(tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many players are asked for, and however often."""
    counted: list[nn.Module] = []

    def count(module: nn.Module) -> int:
        counted.append(module)
        return sum(weight.numel() for weight in module.parameters())

    monkeypatch.setattr(model, "count_parameters", count)
    loaded = tiny_loaded.played_by(players_of(LAYERS, "block"))
    for removed in ([], [2], range(LAYERS)):
        each = [sum(weight.numel() for weight in loaded.blocks.modules[place].parameters()) for place in removed]
        assert loaded.parameters_without(removed) == loaded.info.parameters - sum(each)
        assert loaded.info.parameters_without(removed, loaded.layer_parameters) == loaded.parameters_without(removed)
    assert counted == list(loaded.blocks.modules)


def test_what_is_remembered_of_players_cannot_be_changed() -> None:
    found = switches(["0a", "0m", "1-2"], 4)
    assert found is switches(("0a", "0m", "1-2"), 4)
    expected = np.zeros((3, 4, 2), dtype=bool)
    expected[0, 0, 0] = expected[1, 0, 1] = expected[2, 1:3] = True
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0, 0] = False
