"""What is read off a forward: the loss of each sequence, and how far its predictions are from the whole model's."""

import torch
import torch.nn.functional as F


def sequence_nll(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The mean NLL of each sequence in nats a token, (sequences,) in fp32.

    Args:
        logits: (sequences, length, vocabulary), of any dtype; summed up in fp32, one sequence at a time.
        ids: (sequences, length); the first token of each is not predicted.
    """
    return torch.stack([F.cross_entropy(one[:-1].float(), text[1:]) for one, text in zip(logits, ids, strict=True)])


def sequence_kl(logits: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The mean KL(reference || model) over the predicted tokens of each sequence in nats, (sequences,) in fp32.

    Args:
        logits: the model's, (sequences, length, vocabulary).
        reference: the whole model's log probabilities, of the same shape, in fp32.
    """
    found = []
    for one, other in zip(logits, reference, strict=True):
        ours = F.log_softmax(one[:-1], dim=-1, dtype=torch.float32)
        found.append(F.kl_div(ours, other[:-1], reduction="batchmean", log_target=True))
    return torch.stack(found)
