"""What 16 bits cost, against plain forwards of transformers' own model in both dtypes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from core.checkpoint.checkpoint import locate
from core.coalitions.ranks import rank_correlation
from core.evaluate import precision
from core.model.model import load
from core.pauses import nothing

IDS = torch.randint(0, 256, (5, 24), generator=torch.Generator().manual_seed(0))
MASKS = np.random.default_rng(0).random((40, 8)) < 0.7


def plain(folder: Path, dtype: torch.dtype, mask: np.ndarray) -> np.ndarray:
    """The loss of each sequence by a model whose ModuleList has lost the layers."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    model.model.layers = torch.nn.ModuleList(model.model.layers[place] for place in np.flatnonzero(mask))
    with torch.inference_mode():
        logits = model(input_ids=IDS, use_cache=False).logits[:, :-1].float()
    each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), IDS[:, 1:].flatten(), reduction="none")
    return each.view(len(IDS), -1).mean(dim=1).numpy()


@pytest.mark.parametrize(("allowed", "sequences"), [(0.0, 2), (100.0, 1)])
def test_as_many_sequences_as_the_standard_error_asks_for(
    allowed: float, sequences: int, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_ERROR", allowed)
    loaded = load(locate(str(tiny)), "bfloat16", "cpu")
    measured = {row: plain(tiny, torch.bfloat16, mask) for row, mask in enumerate(MASKS)}
    measured[7] = np.full(len(IDS), np.nan, dtype=np.float32)  # it is left out
    pauses: list[None] = []
    found = precision.compare(loaded, IDS, MASKS, measured, lambda: pauses.append(nothing()))
    assert found is not None and (found.masks, found.sequences) == (16, sequences)
    assert len(pauses) == 16 * sequences
    rows = np.array([row for row in range(40) if row != 7])[np.linspace(0, 38, 16).astype(int)]
    ours = np.stack([measured[row][:sequences] for row in rows])
    exact = np.stack([plain(tiny, torch.float32, MASKS[row])[:sequences] for row in rows])
    apart = np.abs(ours - exact).mean(axis=1)
    assert found.mean_absolute_nll == pytest.approx(apart.mean(), rel=1e-3)
    assert found.error == pytest.approx(apart.std(ddof=1) / 4, rel=1e-3) and f"± {found.error:.4f}" in str(found)
    assert found.spearman == pytest.approx(rank_correlation(ours.mean(axis=1), exact.mean(axis=1)))
