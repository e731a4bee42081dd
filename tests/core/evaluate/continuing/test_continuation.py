"""Continuations against plain Hugging Face."""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cache.in_memory import InMemory
from cache.store import Store
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import without
from core.errors import CorpusError, SelectionError
from core.evaluate.continuing.continuations import continuations, greedy, prompt_ids
from core.evaluate.continuing.token_reader import cache_holds
from core.export.delete_blocks import delete_blocks
from core.model.masked import playing
from core.model.model import LoadedModel, load
from core.records.spec import RunSpec
from core.run.engine import Engine
from tests.support.models import CONFIGS, save_model

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


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("removed", [(), (0, 1, 3), (2, 5, 6, 7)])
def test_several_prompts_are_read_with_a_cache_and_follow_as_each_alone(
    family: str, removed: tuple[int, ...], families: dict[str, LoadedModel]
) -> None:
    """Sliding windows of four tokens, learned positions, and a first layer that is gone; batches of any size."""
    loaded = families[family]
    mask = without(8, removed)
    starts = [prompt_ids(loaded, prompt) for prompt in ("The 7th", "A much longer tale", "Once upon", "1")]
    assert cache_holds(loaded, mask, starts[1])
    [*_, plain] = zip(*(plainly(loaded, mask, start) for start in starts), strict=True)
    for together in (None, 1, 3):
        *_, texts = greedy(loaded, mask, starts, TOKENS, together)
        assert tuple(texts) == plain


def test_without_a_cache_the_texts_are_the_same(tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = without(8, (0, 3))
    starts = [prompt_ids(tiny_loaded, prompt) for prompt in ("The 7th", "A much longer tale", "Once upon")]
    *_, cached = greedy(tiny_loaded, mask, starts, TOKENS)
    monkeypatch.setattr("core.evaluate.continuing.continuations.cache_holds", lambda *_: False)
    for together in (None, 1, 2):
        *_, texts = greedy(tiny_loaded, mask, starts, TOKENS, together)
        assert texts == cached


def plainly(loaded: LoadedModel, mask: NDArray[np.bool_], start: list[int]) -> Iterator[list[int]]:
    """What follows a prompt, by whole forwards."""
    ids = list(start)
    for _ in range(TOKENS):
        if ids[-1] != 257 or len(ids) == len(start):
            with torch.inference_mode(), playing(loaded, mask):
                ids.append(int(loaded.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        yield ids[len(start) :]


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    folder = tmp_path_factory.mktemp("families")
    return {name: load(locate(str(save_model(folder / name, name))), "float32", "cpu") for name in CONFIGS}


@pytest.mark.parametrize("tokens", [250, 10_000])
def test_texts_that_outgrow_the_positions_are_refused(spec: RunSpec, tokens: int) -> None:
    engine = Engine(Store(InMemory()))
    for events in (engine.behave(spec, [1], tokens), engine.continue_(spec, [1], "The river", tokens)):
        with pytest.raises(SelectionError, match="has 256 positions"):
            list(events)
