"""Masks as removals and as text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.coalitions.masks import encode, without
from core.errors import SelectionError


@pytest.mark.parametrize("removed", [[6], [-1], [0, 0], [0, 1, 2, 3, 4, 5]])
def test_impossible_removals_are_refused(removed: list[int]) -> None:
    with pytest.raises(SelectionError):
        without(6, removed)


@given(st.lists(st.booleans(), min_size=1, max_size=90))
def test_masks_survive_as_text(bits: list[bool]) -> None:
    assert [digit == "1" for digit in encode(np.array(bits))] == bits
