"""Ranks and their correlation, against SciPy's."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from core.coalitions.ranks import rank_correlation, ranks

VALUES = st.lists(st.tuples(st.floats(-4, 4).map(round), st.floats(allow_nan=False)), min_size=2, max_size=30)


@given(VALUES)
def test_scipy_finds_the_same(pairs: list[tuple[int, float]]) -> None:
    ours, theirs = np.array(pairs, dtype=np.float64).T
    assert ranks(ours).tolist() == rankdata(ours).tolist() and ranks(theirs).tolist() == rankdata(theirs).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants
        expected = float(spearmanr(ours, theirs).statistic)
    assert rank_correlation(ours, theirs) == pytest.approx(expected, nan_ok=True)


def test_what_is_no_number_has_no_rank_correlation() -> None:
    assert np.isnan(rank_correlation(np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, 3.0])))
    assert np.isnan(rank_correlation(np.array([1.0, 1.0, 1.0]), np.array([1.0, 2.0, 3.0])))
