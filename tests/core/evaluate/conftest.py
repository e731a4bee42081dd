"""Models whose weights a test draws."""

from collections.abc import Callable
from functools import cache

import pytest
import torch

from core.checkpoint.checkpoint import locate
from core.model.model import LoadedModel, load
from tests.support.models import randomised, save_model

Drawn = Callable[[str, int], LoadedModel]  # given a family and a seed


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """A model of a family with the weights of a seed, until the next seed is asked for; built and loaded once."""

    @cache
    def loaded(family: str) -> LoadedModel:
        return load(locate(str(save_model(tmp_path_factory.mktemp(family), family))), "float32", "cpu")

    def draw(family: str, seed: int) -> LoadedModel:
        torch.manual_seed(seed)
        randomised(loaded(family).model)
        return loaded(family)

    return draw
