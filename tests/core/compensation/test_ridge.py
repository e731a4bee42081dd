"""The strength of a ridge is that of a search over all of them by scikit-learn, fold by fold; and what it takes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from app.root import ROOT
from core.compensation.ridge import STRENGTHS, Gram, cross_validated


@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0, 100.0])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_it_errs_least_on_the_fold_that_is_left_out(seed: int, intercept: bool, noise: float) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(120, 24)) * np.geomspace(1, 0.05, 24)
    y = x @ random.normal(size=(24, 5)) + noise * random.normal(size=(120, 5)) + 2 * intercept
    weight = random.uniform(0.2, 2, size=120)
    rows = np.arange(120) % 2
    folds = []
    for fold in range(2):
        folds.append(Gram(24, 5, torch.device("cpu"), intercept))
        folds[-1].add(*(torch.from_numpy(array[rows == fold]) for array in (x, y, weight)))

    def error(strength: float) -> float:
        total = 0.0
        for fold in range(2):
            on, off = rows != fold, rows == fold
            penalty = strength * (weight[on, None] * x[on] ** 2).sum(axis=0)
            fitted = Ridge(penalty.mean(), fit_intercept=intercept).fit(x[on], y[on], sample_weight=weight[on])
            total += float((weight[off, None] * (fitted.predict(x[off]) - y[off]) ** 2).sum())
        return total

    errors = [error(strength) for strength in STRENGTHS]
    change, strength = cross_validated(folds, intercept)
    assert error(strength) == pytest.approx(min(errors), rel=1e-3)
    penalty = strength * (weight[:, None] * x**2).sum(axis=0).mean()
    whole = Ridge(penalty, fit_intercept=intercept).fit(x, y, sample_weight=weight)
    assert np.abs(change[:24] - whole.coef_.T).max() < 1e-3 * np.abs(change).max() + 1e-5
    assert not intercept or change[24] == pytest.approx(whole.intercept_, abs=1e-3)


@pytest.mark.parametrize("entered", [0.0, np.inf, np.nan])
def test_where_nothing_can_be_solved_no_number_comes_of_it(entered: float) -> None:
    """Such a fit is not accepted: the loss with it is no number."""
    fold = Gram(6, 3, torch.device("cpu"), intercept=False)
    fold.add(torch.full((20, 6), entered), torch.ones(20, 3), torch.ones(20))
    change, _ = cross_validated([fold, fold], intercept=False)
    assert np.isnan(change).all()


_PEAK = """
from pathlib import Path
import torch
from core.compensation.ridge import Gram, cross_validated

def most():
    return next(int(line.split()[1]) / 1024 for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))

def fold(inputs):
    gram = Gram(inputs, 512, torch.device("cpu"), True)
    for _ in range(1 + inputs // 128):
        x = torch.randn(256, inputs)
        gram.add(x, x[:, :512] + 0.1 * torch.randn(256, 512), torch.ones(256))
    return gram

cross_validated([fold(600), fold(600)], True)
before = most()
change, _ = cross_validated([fold(4000), fold(4000)], True)
print(most() - before, abs(change[:512].diagonal() - 1).mean())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no figure of the most memory that was held")
def test_the_two_folds_and_one_factor_are_all_that_it_holds() -> None:
    """Three matrices in float32, or their like: what a 7B model's MLP may take beside its weights is 2 GiB."""
    told = subprocess.run([sys.executable, "-c", _PEAK], capture_output=True, text=True, check=True, cwd=ROOT)
    mebibytes, off = map(float, told.stdout.split())
    assert mebibytes < 12 * 4001**2 / 2**20 + 150, "a copy of one matrix more would be 61, and one in float64 122"
    assert off < 0.2, "it solves what it says"
