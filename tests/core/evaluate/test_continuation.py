"""Continuations and timings against plain Hugging Face."""

import copy

import numpy as np
import torch

from core.coalitions.masks import without
from core.evaluate.generation import continuations
from core.evaluate.latency import seconds
from core.export.delete_blocks import delete_blocks
from core.model.model import LoadedModel

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


def test_timing_leaves_the_model_as_it_was(tiny_loaded: LoadedModel) -> None:
    ids = torch.arange(32)[None]
    before = tiny_loaded.model(input_ids=ids).logits
    whole, pruned = seconds(tiny_loaded, ids, without(8, (1, 2, 3)))
    assert whole > 0 and pruned > 0
    assert torch.equal(tiny_loaded.model(input_ids=ids).logits, before)
