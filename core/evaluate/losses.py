"""What is read off a forward: the loss of each sequence, and how far its predictions are from the whole model's."""

import torch
import torch.nn.functional as F

# Logits whose losses an accelerator takes in one step, in elements: 256 MiB in fp32.
_PIECE = 2**26


def sequence_nll(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The mean NLL of each sequence in nats a token, (sequences,) in fp32.

    Args:
        logits: (sequences, length, vocabulary), of any dtype; summed up in fp32.
        ids: (sequences, length); the first token of each is not predicted.
    """
    if logits.device.type == "cpu":  # one sequence finds room in its cache
        return torch.stack([F.cross_entropy(one[:-1].float(), text[1:]) for one, text in zip(logits, ids, strict=True)])
    return nll_in_pieces(logits, ids, _PIECE)


def nll_in_pieces(logits: torch.Tensor, ids: torch.Tensor, piece: int) -> torch.Tensor:
    """The same with few steps, each of as many sequences as have `piece` logits."""
    size = max(1, piece // logits[0].numel())
    found = []
    for some, texts in zip(torch.split(logits, size), torch.split(ids, size), strict=True):
        each = F.cross_entropy(some[:, :-1].float().flatten(0, 1), texts[:, 1:].flatten(), reduction="none")
        found.append(each.view(len(some), -1).mean(dim=1))
    return torch.cat(found)


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
