"""Likeness of hidden states against those that transformers gives."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from core.model.model import LoadedModel
from core.model.similarity import similarity
from tests.support.models import LAYERS

IDS = torch.randint(0, 256, (10, 12), generator=torch.Generator().manual_seed(1))


def test_similarity_is_that_of_the_hidden_states(tiny_loaded: LoadedModel) -> None:
    """Block inputs by hooks here, hidden states by transformers there; the last one it gives is normed, so left out."""
    with torch.inference_mode():
        states = tiny_loaded.model(input_ids=IDS, output_hidden_states=True).hidden_states[:LAYERS]
    found = similarity(tiny_loaded, IDS)
    for one, other in [(0, 1), (2, 5), (3, 7)]:
        cosine = cosine_similarity(states[one], states[other], dim=-1)
        assert found.cosine[one, other] == pytest.approx(float(cosine.mean()), abs=1e-5)
        angle = float(cosine[:, -1].arccos().mean() / torch.pi)
        assert found.angle[one, other] == pytest.approx(angle, abs=1e-4)
