"""Text as windows of tokens, and the protocol that made them.

The stream is tokenised once, without special tokens, and cut into windows that never overlap.
"""

import hashlib
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from core.errors import CorpusError
from core.records.spec import BOS_CHOICES, TextProtocol, TextSpec
from core.text.corpora import Corpus

# What is kept of the text of sequences, so that a person can tell which is which.
_CHARACTERS, _SEQUENCES = 400, 1000


@dataclass(frozen=True)
class Windows:
    """Token ids (sequences, window), or (sequences, 1 + window) with a BOS in front of each, and their protocol."""

    ids: torch.Tensor
    protocol: TextProtocol


def cut(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, spec: TextSpec) -> Windows:
    """Cuts a corpus into the windows that `spec` asks for; an incomplete last window is left out.

    Raises:
        CorpusError: too few tokens, or a BOS asked of a tokenizer that has none.
    """
    window, sequences = spec.window, spec.sequences
    if window < 2 or (sequences is not None and sequences < 1):
        raise CorpusError(
            f"{sequences} sequences of {window} tokens cannot be measured.",
            "Use at least 1 sequence of at least 2 tokens.",
        )
    if spec.bos == "corpus" and (spec.seed is not None or corpus.halved):
        raise CorpusError(
            "One BOS in front of the corpus needs the whole text in order, and a run draws its windows.",
            "Use --bos window, none or auto.",
        )
    bos, bos_id = _settle_bos(tokenizer, spec.bos)
    stream = tokenizer(corpus.text, add_special_tokens=False, verbose=False)["input_ids"]
    if bos == "corpus":
        stream = [bos_id, *stream]
    if corpus.halved:
        half = len(stream) // 2
        stream = stream[:half] if corpus.split == "calibration" else stream[half:]
    available = len(stream) // window
    wanted = available if sequences is None else sequences
    if wanted > available or available == 0:
        raise CorpusError(
            f"The corpus {corpus.name} ({corpus.split}) is too short: it has {len(stream):,} tokens, "
            f"and {max(wanted, 1):,} x {window} = {max(wanted, 1) * window:,} are needed.",
            "Use fewer or shorter sequences (--sequences or --windows, --window), or a longer text.",
        )
    ids = torch.tensor(stream[: available * window], dtype=torch.int64).view(available, window)
    if spec.seed is None:
        ids = ids[:wanted]
    else:
        # Left in the order in which they are drawn: any first few of them are a random sample, too.
        ids = ids[torch.randperm(available, generator=torch.Generator().manual_seed(spec.seed))[:wanted]]
    if bos == "window":
        ids = torch.cat([torch.full((wanted, 1), bos_id), ids], dim=1)
    return Windows(
        ids, TextProtocol(corpus.name, corpus.split, window, window, bos, wanted, spec.seed, fingerprint(ids))
    )


def excerpts(tokenizer: PreTrainedTokenizerBase, windows: Windows) -> tuple[str, ...]:
    """How each sequence begins, as text; of the first ones, where there are more than anybody looks at."""
    texts = tokenizer.batch_decode(windows.ids[:_SEQUENCES], skip_special_tokens=True)
    return tuple(text[:_CHARACTERS] for text in texts)


def fingerprint(ids: torch.Tensor) -> str:
    """Names token ids by their content: sequences with one name are the same text."""
    return hashlib.sha256(ids.numpy().tobytes()).hexdigest()[:16]


def _settle_bos(tokenizer: PreTrainedTokenizerBase, bos: str) -> tuple[str, int]:
    """Turns auto into none or window, and finds the BOS token (-1 where none is used)."""
    token = tokenizer.bos_token_id
    if bos == "auto":
        start = tokenizer("a", verbose=False)["input_ids"][:1]
        bos = "window" if token is not None and start == [token] else "none"
    if bos not in BOS_CHOICES:
        raise CorpusError(f"There is no BOS rule named {bos}.", f"Use one of {', '.join(BOS_CHOICES)}.")
    if bos != "none" and token is None:
        raise CorpusError("This model's tokenizer has no BOS token.", "Use --bos none, or --bos auto.")
    return bos, -1 if bos == "none" else int(token)
