"""Closed forms beside shap's estimates on the same surrogate."""

import numpy as np
import pytest

from core.attribution.check_by_shap import shapley_check
from core.coalitions.measurements import Measurements
from core.sampling.strata import stratified
from tests.support.commands import Cli

MASKS = stratified(9, (8, 7, 6, 5), 60, 0)


def measurements() -> Measurements:
    weights = np.linspace(0.1, 1.5, 9)
    rises = (~MASKS) @ weights + 0.4 * ((~MASKS)[:, 0] & (~MASKS)[:, 8])
    return Measurements(MASKS, 3 + rises[:, None] + np.zeros((1, 4)), np.full(4, 3.0))


@pytest.mark.parametrize("worth", ["score", "log_score"])
def test_shap_agrees(worth: str) -> None:
    check = shapley_check(measurements(), worth, 0)
    assert check.orders is None and check.largest_difference < 1e-6 * check.largest_value
    assert check.spearman == pytest.approx(1)


def test_sampled_orders_come_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.attribution.check_by_shap._EXACT", 0)
    check = shapley_check(measurements(), "log_score", 0)
    assert check.orders and 0 < check.largest_difference < 0.1 * check.largest_value


def test_only_shapley_values_can_be_checked(cli: Cli) -> None:
    status, answer, _ = cli("values", "any", "--value", "banzhaf", "--check")
    assert status == 1 and "--value shapley" in answer["error"]["hint"]
