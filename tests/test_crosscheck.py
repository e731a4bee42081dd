"""Closed forms beside shap's estimates on the same surrogate."""

import numpy as np
import pytest

from core.crosscheck import shapley_check
from core.masks import stratified
from core.measurements import Measurements
from tests.conftest import Cli

MASKS = stratified(9, (8, 7, 6, 5), 60, 0)


def measurements() -> Measurements:
    weights = np.linspace(0.1, 1.5, 9)
    rises = (~MASKS) @ weights + 0.4 * ((~MASKS)[:, 0] & (~MASKS)[:, 8])
    return Measurements(MASKS, 3 + rises[:, None] + np.zeros((1, 4)), np.full(4, 3.0))


@pytest.mark.parametrize("worth", ["score", "log_score"])
def test_shap_agrees(worth: str) -> None:
    check = shapley_check(measurements(), worth, 0)
    assert check.largest_difference < 0.03 * check.largest_value and check.spearman > 0.9


def test_only_shapley_values_can_be_checked(cli: Cli) -> None:
    status, answer, _ = cli("values", "any", "--value", "banzhaf", "--check")
    assert status == 1 and "--value shapley" in answer["error"]["hint"]
