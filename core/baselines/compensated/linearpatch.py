"""LinearPatch (Chen et al., NeurIPS 2025, arXiv 2505.24680): a matrix at the cut, which the model needs at run time.

The run of layers whose input and output are most alike goes; the first and the last layer stay, as in its code. The
hidden state is then multiplied by P = H diag(s) H^T, with H an orthogonal Hadamard matrix and s_c the mean over
sequences of mean |h_behind H|_c / mean |h_before H|_c over tokens. P is symmetric.

Its code takes cosines over the tokens of a channel; these are over the channels of a token, as its paper has them. The
distillation that it may add is left out.
"""

import torch

from core.baselines.compensated.cut_runs import cut_of, least_turning
from core.baselines.compensated.hadamard import hadamard
from core.baselines.compensated.repair import Repair
from core.baselines.contest import Contest, Plans
from core.compensation.hidden_states import AT_ONCE, leaving
from core.errors import UnsupportedModel
from core.model.model import LoadedModel
from core.model.similarity import Similarity


def linearpatch(contest: Contest, near: Similarity) -> Plans:
    """A run for each count, by the mean cosine of all tokens."""
    return least_turning(contest, 1 - near.cosine, len(contest.loaded.blocks) - 1)


def rotation(loaded: LoadedModel) -> torch.Tensor:
    """The Hadamard matrix of a model's width, (width, width).

    Raises:
        UnsupportedModel: none of that order is known here.
    """
    found = hadamard(loaded.blocks.width)
    if found is None:
        raise UnsupportedModel(
            f"linearpatch needs a Hadamard matrix as wide as the hidden state, and none of {loaded.blocks.width} is "
            "known here.",
            "Leave it out, such as with --methods quorum,replaceme,prune-comp.",
        )
    return torch.from_numpy(found).float()


def repair(contest: Contest, removed: tuple[int, ...]) -> Repair:
    """The matrix, where the first block of the cut was."""
    loaded, cut = contest.loaded, cut_of(contest, removed)
    turned, ratios = rotation(loaded).to(loaded.info.device), []
    for part in torch.split(contest.fitted, AT_ONCE):
        states = [leaving(loaded, part, block)[0] for block in (cut.stop - 1, cut.start - 1)]
        behind, before = ((state.to(turned.device).float() @ turned).abs().mean(dim=1) for state in states)
        ratios.append(behind / before.clamp_min(1e-12))
    scales = torch.cat(ratios).mean(dim=0)
    return Repair(matrices={cut.start: turned @ scales.diag() @ turned.T})
