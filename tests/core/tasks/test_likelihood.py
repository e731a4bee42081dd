"""What coalitions share changes none of their answers: likelihoods are those of plain forwards, one text at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.checkpoint.checkpoint import locate
from core.coalitions.masks import Masks, everything, layer_evaluations
from core.model.masked import playing
from core.model.model import LoadedModel, load
from core.records.behaviour.task_scores import Answer
from core.tasks.items import Item, Tokens
from core.tasks.likelihood import Likelihoods, _saved
from tests.support.families import save_family
from tests.support.models import CONFIGS, save_model

CONTEXT = tuple(range(40, 60))
ITEMS = (
    Item(None, tuple((CONTEXT, tuple(range(70, 70 + length))) for length in (1, 6, 3))),  # the context pays to share
    Item(None, tuple((CONTEXT, (70 + number,)) for number in range(4))),  # one text
    Item(None, ((CONTEXT[:9], (70, 71)),)),
    Item(None, tuple((CONTEXT[:length], (70, 71, 72)) for length in (1, 9, 20))),
)


def plain(loaded: LoadedModel, item: Item, mask: np.ndarray) -> Answer:
    """By the definition: the model's own forward of each text alone."""
    likelihoods, greedy = [], []
    for context, after in item.tokens:
        with torch.inference_mode(), playing(loaded, mask):
            logits = loaded.model(torch.tensor([(*context, *after)]), use_cache=False).logits[0]
        told = logits[len(context) - 1 : -1].log_softmax(-1)
        likelihoods.append(float(sum(row[token] for row, token in zip(told, after, strict=True))))
        greedy.append(told.argmax(-1).tolist() == list(after))
    return Answer(tuple(likelihoods), tuple(greedy))


def answers(ways: Likelihoods, item: Item, masks: Masks) -> list[Answer]:
    found = dict(ways.answers(item, masks))
    assert sorted(found) == list(range(len(masks))), "every coalition answers once"
    return [found[row] for row in range(len(masks))]


def check(loaded: LoadedModel, ways: Likelihoods, item: Item, masks: Masks) -> None:
    for mask, found in zip(masks, answers(ways, item, masks), strict=True):
        expected = plain(loaded, item, mask)
        np.testing.assert_allclose(found.likelihoods, expected.likelihoods, rtol=1e-5)
        assert found.greedy == expected.greedy


def some(count: int, players: int, seed: int = 0) -> Masks:
    masks = np.random.default_rng(seed).random((count, players)) < 0.7
    return np.unique(np.concatenate([masks, np.ones((1, players), bool), np.zeros((1, players), bool)]), axis=0)


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_sharing_changes_nothing(family: str, tmp_path: Path) -> None:
    loaded = load(locate(str(save_model(tmp_path / family, family))), "float32", "cpu")
    ways = Likelihoods(loaded)
    assert ways._walks and ways._shares
    for item in ITEMS:
        check(loaded, ways, item, some(5, 8))


@pytest.mark.parametrize(
    "family",
    ["Gemma 3", "Llama 4", "GPT-OSS", "DeepSeek-V3", "BLOOM", "RWKV", "Mamba", "Jamba", "Falcon-H1", "Zamba 2"],
)
def test_sharing_changes_nothing_of_other_families(family: str, tmp_path: Path) -> None:
    loaded = load(locate(str(save_family(tmp_path / "model", family))), "float32", "cpu")
    ways = Likelihoods(loaded)
    assert ways._walks
    for item in ITEMS:
        check(loaded, ways, item, some(1, len(loaded.info.players)))


def test_halves_of_layers_share_too(tiny_loaded: LoadedModel) -> None:
    loaded = tiny_loaded.played_by([f"{layer}{half}" for layer in range(8) for half in "am"])
    ways = Likelihoods(loaded)
    assert ways._shares
    for item in ITEMS:
        check(loaded, ways, item, some(5, 16))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=12, unique=True), st.sampled_from(ITEMS))
def test_no_company_changes_an_answer_by_a_bit(tiny_loaded: LoadedModel, rows: list[int], item: Item) -> None:
    masks, ways = everything(8)[rows], Likelihoods(tiny_loaded)
    together = answers(ways, item, masks)
    assert together == [answers(ways, item, mask[None])[0] for mask in masks]


@pytest.mark.parametrize("item", ITEMS)
def test_what_cannot_be_shared_is_read_plainly(
    tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch, item: Item
) -> None:
    ways = Likelihoods(tiny_loaded)
    monkeypatch.setattr(ways, "_proved", lambda _: False)
    assert not ways._walks and not ways._shares
    check(tiny_loaded, ways, item, some(4, 8))


@pytest.mark.parametrize("item", ITEMS)
def test_few_logits_at_a_time_are_the_same_logits(
    tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch, item: Item
) -> None:
    many, few = Likelihoods(tiny_loaded), Likelihoods(tiny_loaded)
    monkeypatch.setattr(few, "_most", 1)
    for one, other in zip(answers(many, item, some(3, 8)), answers(few, item, some(3, 8)), strict=True):
        np.testing.assert_allclose(one.likelihoods, other.likelihoods, rtol=1e-5)


def test_a_shared_prefix_is_computed_once(tiny_loaded: LoadedModel) -> None:
    """Blocks are called as often as the trie of the coalitions has kept nodes, for each text that is read."""
    ways, masks = Likelihoods(tiny_loaded), some(40, 8, seed=1)
    assert ways._shares
    for item, reads in zip(ITEMS, (2, 1, 1, 1), strict=True):
        calls = counted(tiny_loaded, lambda item=item: answers(ways, item, masks))
        entering = reads * 8  # in which no block computes
        assert calls - entering - 8 * len(masks) == reads * layer_evaluations(masks) < reads * masks.sum()


def counted(loaded: LoadedModel, work: Callable[[], Sequence[Answer]]) -> int:
    """How often blocks are called."""
    calls: list[int] = []
    handles = [block.register_forward_pre_hook(lambda *_: calls.append(1)) for block in loaded.blocks.modules]
    try:
        work()
    finally:
        for handle in handles:
            handle.remove()
    return len(calls)


def test_what_is_saved_counts_texts_once() -> None:
    long: Tokens = tuple(range(30))
    assert _saved(Item(None, ((long, (1,)), (long, (2,))))) == 1
    assert _saved(Item(None, ((long, (1,)), (long[:-1], (2,))))) == 1
    assert _saved(Item(None, ((long, (1, 2)), (long, (2, 3))))) == pytest.approx(62 / 32)
