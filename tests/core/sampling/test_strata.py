"""The sampler: its strata, its seed, no duplicates, and samples that grow without changing."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.coalitions.masks import encode
from core.errors import SelectionError
from core.sampling.pairs import paired
from core.sampling.strata import default_strata, stratified


@st.composite
def requests(draw: st.DrawFn) -> tuple[int, list[int], int, int]:
    layers = draw(st.integers(2, 12))
    strata = draw(st.lists(st.integers(1, layers - 1), min_size=1, max_size=5, unique=True))
    count = draw(st.integers(1, min(60, sum(comb(layers, kept) for kept in strata))))
    return layers, strata, count, draw(st.integers(0, 5))


@given(requests())
def test_samples_are_distinct_seeded_and_inside_their_strata(request: tuple[int, list[int], int, int]) -> None:
    layers, strata, count, seed = request
    masks = stratified(layers, strata, count, seed)
    assert masks.shape == (count, layers)
    assert len({encode(mask) for mask in masks}) == count
    assert set(masks.sum(axis=1)) <= set(strata)
    assert (masks == stratified(layers, strata, count, seed)).all()
    assert (masks[: count // 2] == stratified(layers, strata, max(1, count // 2), seed)[: count // 2]).all()


@given(requests())
def test_strata_share_equally_until_one_runs_out(request: tuple[int, list[int], int, int]) -> None:
    layers, strata, count, seed = request
    drawn = stratified(layers, strata, count, seed).sum(axis=1)
    counts = {kept: int((drawn == kept).sum()) for kept in strata}
    unexhausted = [number for kept, number in counts.items() if number < comb(layers, kept)]
    assert not unexhausted or max(counts.values()) - min(unexhausted) <= 1


def test_a_stratum_is_uniform() -> None:
    """Every 3-of-6 coalition is as often the first one drawn as any other (chi-squared, 19 degrees, p = 0.001)."""
    first = [encode(stratified(6, [3], 1, seed)[0]) for seed in range(4000)]
    counts = np.array([first.count(encode(np.isin(range(6), kept))) for kept in combinations(range(6), 3)])
    assert counts.sum() == 4000
    assert ((counts - 200) ** 2 / 200).sum() < 43.8


def test_default_strata_are_the_papers() -> None:
    assert default_strata(32) == (30, 27, 24, 21, 18)
    assert default_strata(30) == (28, 25, 22, 19, 16)


@pytest.mark.parametrize("strata", [(), (0,), (6,), (7, 3), (-1,), (3, 3)])
def test_impossible_strata_are_refused(strata: tuple[int, ...]) -> None:
    with pytest.raises(SelectionError, match="strata"):
        stratified(6, strata, 3, 0)


def test_more_masks_than_coalitions_are_refused() -> None:
    with pytest.raises(SelectionError, match="15 coalitions"):
        stratified(6, [4], 16, 0)


def test_paired_samples_are_distinct_nested_and_reach_every_size() -> None:
    """No layers, all but one, then pairs of complements; and in the end every coalition but the whole model."""
    sample = paired(10, 200, 3)
    np.testing.assert_array_equal(sample[:60], paired(10, 60, 3))
    assert not sample[0].any() and (sample[1:11].sum(axis=1) == 9).all()
    assert len({mask.tobytes() for mask in sample}) == 200
    kept = np.bincount(sample[11:].sum(axis=1), minlength=10)
    assert (kept[1:9] > 0).all()
    drawn = {mask.tobytes() for mask in sample}
    alone = [mask for mask in sample[1:] if (~mask).tobytes() not in drawn]
    assert all(mask.sum() == 9 for mask in alone[:-1])  # but the last one, whose other half the sample has no room for
    assert len({mask.tobytes() for mask in paired(5, 31, 0)}) == 31
    with pytest.raises(SelectionError):
        paired(5, 32, 0)
