"""ReplaceMe (Shopkhoev et al., NeurIPS 2025, arXiv 2505.02819): a run of layers becomes a linear map.

The run across which the last token turns least by angle goes, as its code chooses. With M what the MLP before it
answers and h the hidden states before and behind the run, T = argmin |M T - (h_behind - h_before + M)|^2 over tokens,
by least squares without a penalty (its `lstsq` with alpha 0), and T is multiplied into the output projection of that
MLP. Where several T are least, that of least norm is taken; its code inverts, and has none. A bias is multiplied too.
"""

import numpy as np
import torch

from core.baselines.compensated.cut_runs import cut_of, least_turning
from core.baselines.compensated.repair import Repair
from core.baselines.contest import Contest, Plans
from core.compensation.hidden_states import AT_ONCE, leaving
from core.compensation.projections import projections
from core.model.similarity import Similarity


def replaceme(contest: Contest, near: Similarity) -> Plans:
    """A run for each count, by the angle at the last token."""
    return least_turning(contest, near.angle, len(contest.loaded.blocks))


def repair(contest: Contest, removed: tuple[int, ...]) -> Repair:
    """The output projection before a cut, with the map in it."""
    loaded, cut = contest.loaded, cut_of(contest, removed)
    [projection] = projections(loaded, [cut.start - 1])
    xx = xy = torch.zeros(1, 1, dtype=torch.float64)
    for part in torch.split(contest.fitted, AT_ONCE):
        behind, _ = leaving(loaded, part, cut.stop - 1)
        before, [entered] = leaving(loaded, part, cut.start - 1, [projection.module])
        with torch.inference_mode():
            answered = projection.module(entered)
        m, missing = (
            state.reshape(-1, state.shape[-1]).cpu().double() for state in (answered, behind.to(before.device) - before)
        )
        xx, xy = xx + m.T @ m, xy + m.T @ (missing + m)
    matrix = np.linalg.lstsq(xx.numpy(), xy.numpy(), rcond=None)[0]
    return Repair(projection.followed(torch.from_numpy(matrix)))
