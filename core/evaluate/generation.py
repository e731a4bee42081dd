"""How the whole model and a pruned one go on after a prompt, word by word, side by side."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import CorpusError
from core.model.masked import playing
from core.model.model import LoadedModel
from core.text.tokens import check_known

# Tokens of a prompt that count, the last ones; every token is a forward over all before it.
_PROMPT = 256


def continuations(
    loaded: LoadedModel, mask: NDArray[np.bool_], prompt: str, tokens: int
) -> Iterator[tuple[str, str, int]]:
    """Yields (what the whole model wrote, what the pruned one wrote, tokens so far), one token more each time.

    Both take the likeliest token (greedy), so that they differ by the missing layers alone. There is no cache of keys
    and values: one whose first layers are skipped would count positions wrongly. A text ends where its model ends it.

    Raises:
        CorpusError: the prompt has no tokens, or one that the model does not embed.
    """
    tokenizer = loaded.checkpoint.tokenizer
    start = tokenizer(prompt, return_tensors="pt").input_ids[:, -_PROMPT:]
    if not start.numel():
        raise CorpusError("The prompt is empty.", "Write a few words for the models to go on with.")
    embeddings: Any = loaded.model.get_input_embeddings()
    check_known(start, tokenizer, int(embeddings.weight.shape[0]), loaded.info.source, what="prompt")
    texts = [start.to(loaded.info.device)] * 2
    masks = np.ones_like(mask), mask
    for done in range(1, tokens + 1):
        texts = [_longer(loaded, one, text) for one, text in zip(masks, texts, strict=True)]
        whole, pruned = (tokenizer.decode(text[0, start.shape[1] :], skip_special_tokens=True) for text in texts)
        yield str(whole), str(pruned), done


def _longer(loaded: LoadedModel, mask: NDArray[np.bool_], text: torch.Tensor) -> torch.Tensor:
    """The text (1, tokens) with its likeliest next token; one that has ended stays."""
    ends = loaded.model.generation_config.eos_token_id if loaded.model.generation_config is not None else None
    if text[0, -1].item() in (ends if isinstance(ends, list) else [ends]):
        return text
    with torch.inference_mode(), playing(loaded, mask):
        logits = loaded.model(input_ids=text, use_cache=False).logits
    return torch.cat([text, logits[:, -1].argmax(dim=-1, keepdim=True)], dim=1)
