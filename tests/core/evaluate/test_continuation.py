"""Continuations against plain Hugging Face."""

import copy
from pathlib import Path

import numpy as np
import pytest

from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.errors import CorpusError
from core.evaluate.generation import continuations
from core.export.delete_blocks import delete_blocks
from core.model.model import LoadedModel, load

PROMPT, TOKENS = "The 7th traveller told", 12


def test_both_texts_are_those_of_generate(tiny_loaded: LoadedModel) -> None:
    mask = without(8, (0, 3))
    *_, (whole, pruned, done) = continuations(tiny_loaded, mask, PROMPT, TOKENS)
    smaller = copy.deepcopy(tiny_loaded.model)
    delete_blocks(smaller, tiny_loaded.blocks.path, mask)
    tokenizer = tiny_loaded.checkpoint.tokenizer
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    for model, text in ((tiny_loaded.model, whole), (smaller, pruned)):
        theirs = model.generate(ids, max_new_tokens=TOKENS, do_sample=False, use_cache=False)
        assert tokenizer.decode(theirs[0, ids.shape[1] :], skip_special_tokens=True) == text
    assert done == TOKENS and whole != pruned


def test_texts_grow_token_by_token(tiny_loaded: LoadedModel) -> None:
    lengths = [done for _, _, done in continuations(tiny_loaded, np.ones(8, dtype=bool), PROMPT, 5)]
    assert lengths == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("where", ["at the end", "alone", "in the middle"])
def test_a_prompt_of_a_token_that_is_not_embedded_is_refused(where: str, tiny: Path) -> None:
    """The tokenizer knows more tokens than the model."""
    loaded = load(locate(str(tiny)), "float32", "cpu")
    loaded.checkpoint.tokenizer.add_tokens(["<new>"])
    prompt = {"at the end": "A tale <new>", "alone": "<new>", "in the middle": "A <new> tale"}[where]
    with pytest.raises(CorpusError, match="The prompt has the token '<new>', number 258") as refused:
        next(continuations(loaded, np.ones(8, dtype=bool), prompt, 5))
    assert "prompt without that token" in refused.value.hint
    next(continuations(loaded, np.ones(8, dtype=bool), "A tale", 5))
