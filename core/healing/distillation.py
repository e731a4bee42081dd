"""Distillation (Hinton et al. 2015): what is left learns, beside the text, what the whole model predicts of it."""

from collections.abc import Sequence

import torch
from torch.nn.functional import kl_div, log_softmax

from core.healing.examples import Example, batched, is_predicted
from core.model.model import LoadedModel


def whole_logits(loaded: LoadedModel, examples: Sequence[Example]) -> torch.Tensor:
    """Those of the whole model for each token that is predicted, (tokens, vocabulary).

    The model is the one in memory, while nothing of it is switched off and no addition is in it.
    """
    ids, labels = batched(examples)
    with torch.no_grad():
        logits: torch.Tensor = loaded.model(input_ids=ids.to(loaded.info.device), use_cache=False).logits
        return logits[:, :-1][is_predicted(labels).to(logits.device)]


def divergence(logits: torch.Tensor, whole: torch.Tensor, temperature: float) -> torch.Tensor:
    """The sum over tokens of KL(whole || pruned) of softened predictions, times temperature squared, in nats.

    The factor keeps gradients as large as they are at temperature 1.

    Args:
        logits: of the pruned model, (tokens, vocabulary).
        whole: of the whole one, of the same tokens.
        temperature: by which both are divided.
    """
    pruned, aim = (log_softmax(each.float() / temperature, dim=-1) for each in (logits, whole))
    return kl_div(pruned, aim, reduction="sum", log_target=True) * temperature**2
