"""What coalitions are worth, and that a worth is a row: whatever depends on it follows."""

import numpy as np
import pytest

from core.attribution.named_values import layer_values
from core.coalitions.masks import encode
from core.coalitions.measurements import Measurements
from core.coalitions.worth import DIVERGENCES, KL, LOG_SCORE, LOSSES, SCORE, WORTHS, Worth
from core.errors import SelectionError
from core.sampling.strata import stratified
from core.surrogate.surrogate import fit_worth

MASKS = stratified(6, (5, 4, 3), 40, 0)
DENSE = np.array([2.0, 3.0])
MEASURED = Measurements(MASKS, DENSE + 0.2 * (~MASKS).sum(axis=1)[:, None], DENSE)


def test_worths_follow_from_losses() -> None:
    rises = 0.2 * np.array([encode(mask).count("0") for mask in MASKS])
    np.testing.assert_allclose(SCORE.of(MEASURED), np.exp(-np.append(0.0, rises)))
    np.testing.assert_allclose(LOG_SCORE.of(MEASURED), -np.append(0.0, rises))
    np.testing.assert_array_equal(KL.of(MEASURED), LOG_SCORE.of(MEASURED))


def test_what_is_worse_than_ruined_counts_alike() -> None:
    losses = DENSE + np.array([1.0, 20.0, np.inf])[:, None]
    ruined = Measurements(MASKS[:3], losses, DENSE)
    np.testing.assert_allclose(LOG_SCORE.of(ruined), [0, -1, np.log(1e-5), np.log(1e-5)])
    np.testing.assert_allclose(SCORE.of(ruined), [1, np.exp(-1), np.exp(-20), 0], atol=1e-12)


def test_only_kl_needs_more_than_losses() -> None:
    assert [name for name, worth in WORTHS.items() if worth.measured != LOSSES] == ["kl"] == [KL.name]
    assert [worth.label for worth in WORTHS.values()] == ["score", "log score", "kl"]


@pytest.mark.parametrize("log", [True, False])
def test_a_new_worth_is_a_row(monkeypatch: pytest.MonkeyPatch, log: bool) -> None:
    """It has values, and a surrogate that learns its targets, once it is in the table."""
    with pytest.raises(SelectionError, match="no value local of the worth accuracy"):
        layer_values(MEASURED, "local", "accuracy", (5, 4), 0)
    new = Worth("accuracy", log, "of the answers", "Worth is the share of right answers.", DIVERGENCES)
    monkeypatch.setitem(WORTHS, new.name, new)
    found, same = (
        layer_values(MEASURED, "local", worth, (5, 4), 0) for worth in (new.name, "log_score" if log else "score")
    )
    assert (found.worth, found.values) == ("accuracy", same.values)
    assert fit_worth(MEASURED, new.name, None).log == log
