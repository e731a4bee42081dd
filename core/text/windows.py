"""Text as windows of tokens, and the protocol that made them.

The stream is tokenised once, without special tokens, and cut into windows that never overlap.
"""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from core.errors import CorpusError
from core.records.presets import preset_of
from core.records.spec import BOS_CHOICES, TextProtocol, TextSpec
from core.text.corpora import Corpus, check_enough
from core.text.tokens import Ids, token_pieces

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
        CorpusError: too few tokens, a text too long to be measured whole, or a BOS asked of a tokenizer that has none.
    """
    cutting_on = cutting(corpus, tokenizer, spec)
    while True:
        try:
            next(cutting_on)
        except StopIteration as done:
            windows: Windows = done.value
            return windows


def cutting(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, spec: TextSpec) -> Generator[int, None, Windows]:
    """As `cut`; tells how many tokens there are so far, since a long text takes a while."""
    window, sequences = spec.window, spec.sequences
    bos, bos_id = check_cut(tokenizer, spec, corpus.halved)
    in_order = spec.seed is None and not corpus.halved
    if in_order and sequences is None and not corpus.ended:
        raise CorpusError(
            f"The corpus {corpus.name} is too long to be measured whole.", "Measure its first windows: --windows N."
        )
    stream = np.full(int(bos == "corpus"), bos_id, dtype=np.int64)
    pieces: list[Ids] = [stream]
    tokens, enough = len(stream), sequences * window if in_order and sequences is not None else None
    for piece in token_pieces(corpus, tokenizer):
        pieces.append(piece)
        tokens += len(piece)
        yield tokens
        if enough is not None and tokens >= enough:
            break
    stream = np.concatenate(pieces)
    if corpus.halved:
        half = len(stream) // 2
        stream = stream[:half] if corpus.split == "calibration" else stream[half:]
    available = len(stream) // window
    wanted = available if sequences is None else sequences
    check_enough(corpus.name, corpus.split, len(stream), max(wanted, 1), window)
    ids = torch.from_numpy(stream[: available * window]).view(available, window)
    if spec.seed is None:
        ids = ids[:wanted]
    else:
        # Left in the order in which they are drawn: any first few of them are a random sample, too.
        ids = ids[torch.randperm(available, generator=torch.Generator().manual_seed(spec.seed))[:wanted]]
    ids = torch.cat([torch.full((wanted, 1), bos_id), ids], dim=1) if bos == "window" else ids.clone()
    protocol = TextProtocol(
        corpus=corpus.name,
        split=corpus.split,
        window=window,
        stride=window,
        bos=bos,
        sequences=wanted,
        seed=spec.seed,
        tokens=fingerprint(ids),
        field=spec.field,
        preset=spec.preset,
    )
    return Windows(ids, protocol)


def excerpts(tokenizer: PreTrainedTokenizerBase, windows: Windows) -> tuple[str, ...]:
    """How each sequence begins, as text; of the first ones, where there are more than anybody looks at."""
    texts = tokenizer.batch_decode(windows.ids[:_SEQUENCES], skip_special_tokens=True)
    return tuple(text[:_CHARACTERS] for text in texts)


def fingerprint(ids: torch.Tensor) -> str:
    """Names token ids by their content: sequences with one name are the same text."""
    return hashlib.sha256(ids.numpy().tobytes()).hexdigest()[:16]


def check_cut(tokenizer: PreTrainedTokenizerBase, spec: TextSpec, halved: bool) -> tuple[str, int]:
    """What needs no text to be seen: CorpusError for windows that cannot be cut; else the BOS, as `settle_bos`."""
    if spec.window < 2 or (spec.sequences is not None and spec.sequences < 1):
        raise CorpusError(
            f"{spec.sequences} sequences of {spec.window} tokens cannot be measured.",
            "Use at least 1 sequence of at least 2 tokens.",
        )
    if spec.bos == "corpus" and (spec.seed is not None or halved):
        raise CorpusError(
            "One BOS in front of the corpus needs the whole text in order, and a run draws its windows.",
            "Use --bos window, none or auto.",
        )
    return settle_bos(tokenizer, spec)


def settle_bos(tokenizer: PreTrainedTokenizerBase, spec: TextSpec) -> tuple[str, int]:
    """Where a BOS stands, as of `TextProtocol`, and its id (-1 where none is used)."""
    return _under_preset(tokenizer, spec) if spec.preset else _by_rule(tokenizer, spec.bos)


def _by_rule(tokenizer: PreTrainedTokenizerBase, bos: str) -> tuple[str, int]:
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


def _under_preset(tokenizer: PreTrainedTokenizerBase, spec: TextSpec) -> tuple[str, int]:
    """The BOS of a protocol: one in front of a corpus that is measured in order, none where windows are drawn."""
    token = tokenizer.bos_token_id
    begins = preset_of(spec.preset).any_bos or tokenizer("a", verbose=False)["input_ids"][:1] == [token]
    return ("corpus", int(token)) if spec.seed is None and token is not None and begins else ("none", -1)
