"""Diagnostics against refits by hand: what counts as held out was held out, and they come back as they were stored."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import spearmanr
from sklearn.metrics import r2_score

from cache import labels, queries
from cache.database import Database
from cache.store import Store
from core.coalitions.masks import decode
from core.coalitions.measurements import Measurements
from core.records.diagnostics import Diagnostics
from core.records.reader import from_json
from core.records.spec import RunSpec
from core.sampling.strata import stratified
from core.surrogate.conformal import band_of, bands
from core.surrogate.diagnose import diagnose
from core.surrogate.surrogate import FOLDS, fit, folds_of
from core.surrogate.validation import PROCESSES, Validation, compare, residuals
from tests.support.stored import MODEL, PROTOCOL

LAYERS, SEED = 8, 3
MASKS = stratified(LAYERS, (7, 6, 5, 4), 60, 0)
LOSSES = (~MASKS) @ np.linspace(0.1, 0.9, LAYERS) + np.random.default_rng(1).normal(0, 0.05, len(MASKS))
MEASURED = Measurements(MASKS, 3 + LOSSES[:, None] + np.array([-0.5, 0.5]), np.array([2.5, 3.5]))


@pytest.fixture(scope="module")
def compared() -> Validation:
    return compare(MEASURED, SEED)


@pytest.fixture(scope="module")
def found(compared: Validation) -> Diagnostics:
    return diagnose(MEASURED, compared, SEED)


def test_held_out_predictions_are_those_of_fits_without_the_mask(found: Diagnostics) -> None:
    """Fold by fold, by hand; and another loss of a mask would not have changed what was predicted of it."""
    np.testing.assert_array_equal([decode(mask) for mask in found.masks], MASKS)
    np.testing.assert_allclose(found.scores, np.exp(-LOSSES))
    predicted = {kind.name: np.array(kind.scores) for kind in found.predicted}
    folds = folds_of(MASKS, SEED)
    for name, log in zip(PROCESSES, (True, False), strict=True):
        for fold in range(FOLDS):
            by_hand = fit(MEASURED[folds != fold], log=log).predict(MASKS[folds == fold])
            np.testing.assert_allclose(predicted[name][folds == fold], by_hand)
    moved = Measurements(MASKS, MEASURED.losses.copy(), MEASURED.dense)
    moved.losses[folds == 0] += 1.0
    again = compare(moved, SEED).predicted
    for name, scores in list(predicted.items())[1:]:
        np.testing.assert_allclose(again[name][folds == 0], scores[folds == 0])
        assert not np.allclose(again[name][folds != 0], scores[folds != 0])


def test_what_is_in_use_mixes_both_processes_at_a_level_that_no_fold_has_set_for_itself(found: Diagnostics) -> None:
    """The mixture that is nearest to the other folds, as an optimiser finds it."""
    both, by_log, by_score = (np.array(kind.scores) for kind in found.predicted[:3])
    assert [kind.name for kind in found.predicted[1:3]] == list(PROCESSES)
    folds, scores = folds_of(MASKS, SEED), np.exp(-LOSSES)
    for fold in range(FOLDS):
        out, told = folds == fold, folds != fold
        level = nearest(by_log[told], by_score[told], scores[told])
        np.testing.assert_allclose(both[out], by_hand(by_log[out], by_score[out], level), atol=2e-3)


def by_hand(by_log: np.ndarray, by_score: np.ndarray, level: float) -> np.ndarray:
    """The mixture of two predictions."""
    return np.asarray((level * by_log + by_log * by_score) / (by_log + level))


def nearest(by_log: np.ndarray, by_score: np.ndarray, scores: np.ndarray) -> float:
    """The level of the least squared error."""

    def off(exponent: float) -> float:
        return float(((scores - by_hand(by_log, by_score, 10**exponent)) ** 2).sum())

    tries = [minimize_scalar(off, bounds=(low, low + 2), method="bounded") for low in range(-4, 4)]
    return float(10 ** min(tries, key=lambda found: found.fun).x)


def test_the_surrogate_in_use_comes_first_and_its_curve_ends_at_its_quality(found: Diagnostics) -> None:
    best = found.predicted[0]
    assert best.name not in PROCESSES and len({kind.name for kind in found.predicted}) == 7
    assert [step.masks for step in found.curve] == [12, 24, 36, 48], "of an eighth, 6, there is nothing to learn"
    assert found.curve[-1].r2 == pytest.approx(r2_score(found.scores, best.scores))
    assert found.curve[-1].spearman == pytest.approx(spearmanr(found.scores, best.scores).statistic)


def test_a_curve_learns_from_nested_parts_and_never_from_what_it_is_tested_on(found: Diagnostics) -> None:
    order, folds = np.random.default_rng([SEED, 1]).permutation(len(MASKS)), folds_of(MASKS, SEED)
    some = order < len(MASKS) / 2
    by_log, by_score, predicted = np.empty((3, len(MASKS)))
    for fold in range(FOLDS):
        out, seen = folds == fold, MEASURED[(folds != fold) & some]
        by_log[out], by_score[out] = (fit(seen, log=log).predict(MASKS[out]) for log in (True, False))
    for fold in range(FOLDS):
        out, told = folds == fold, (folds != fold) & some
        level = nearest(by_log[told], by_score[told], np.exp(-LOSSES)[told])
        predicted[out] = by_hand(by_log[out], by_score[out], level)
    half = next(step for step in found.curve if step.masks == 24)
    assert half.r2 == pytest.approx(r2_score(found.scores, predicted), abs=2e-3)


def test_beyond_never_saw_the_smallest_sizes(found: Diagnostics) -> None:
    smallest = MASKS.sum(axis=1) == 4
    beyond = found.beyond
    assert beyond is not None and (beyond.fewest, beyond.most, beyond.masks) == (4, 4, smallest.sum())
    larger = MEASURED[~smallest]
    missed = MEASURED.log_scores[smallest] - np.log(fit(larger, log=True).predict(MASKS[smallest]))
    kinds = {kind.name: kind for kind in beyond.kinds}
    assert kinds[PROCESSES[0]].beyond == pytest.approx(np.abs(missed).mean())
    seen = np.array(next(kind.scores for kind in found.predicted if kind.name == PROCESSES[0]))
    assert kinds[PROCESSES[0]].inside == pytest.approx(np.abs(MEASURED.log_scores - np.log(seen))[smallest].mean())
    half = band_of(bands(larger.masks, residuals(larger, SEED), SEED), 4).half
    assert beyond.coverage == pytest.approx((np.abs(missed) <= half).mean())
    moved = Measurements(MASKS, MEASURED.losses.copy(), MEASURED.dense)
    moved.losses[smallest] = 3.0 + np.random.default_rng(0).uniform(0, 9, size=(smallest.sum(), 1))
    shifted = moved[smallest].log_scores - MEASURED[smallest].log_scores
    other = diagnose(moved, compare(moved, SEED), SEED).beyond
    assert other is not None
    again = next(kind for kind in other.kinds if kind.name == PROCESSES[0])
    assert again.beyond == pytest.approx(np.abs(missed + shifted).mean()), "the same predictions of other losses"


def test_sizes_that_are_all_alike_leave_nothing_beyond() -> None:
    alike = MEASURED[MASKS.sum(axis=1) == 5]
    assert diagnose(alike, compare(alike, 0), 0).beyond is None


def test_many_masks_are_thinned_at_random(
    monkeypatch: pytest.MonkeyPatch, compared: Validation, found: Diagnostics
) -> None:
    monkeypatch.setattr("core.surrogate.diagnose._KEPT", 20)
    few = diagnose(MEASURED, compared, SEED)
    assert len(few.masks) == len(few.scores) == 20 and few.curve == found.curve
    rows = [found.masks.index(mask) for mask in few.masks]
    for thin, full in zip(few.predicted, found.predicted, strict=True):
        assert thin.scores == tuple(full.scores[row] for row in rows)


def test_they_come_back_as_they_were_stored(found: Diagnostics, cache_file: Path) -> None:
    assert from_json(Diagnostics, json.dumps(asdict(found))) == found
    database = Database(cache_file)
    store = Store(database)
    run = store.begin(store.open_game(replace(MODEL, layers=LAYERS, players=()), PROTOCOL), RunSpec(), PROTOCOL, (5, 4))
    assert queries.diagnostics(database, run) is None
    for _ in range(2):  # a run that is started again finds them again
        store.save_diagnostics(run, found)
    assert queries.diagnostics(database, run) == found
    with database.writing() as connection:
        labels.forget(connection, run)
    assert queries.diagnostics(database, run) is None
