"""Runs that are made up, with all that they can be held against."""

import numpy as np
import pytest

from core.attribution.contributions import contributions
from core.audit.evidence import Evidence
from core.coalitions.masks import Masks, everything
from core.coalitions.measurements import Floats, Measurements
from core.records.results import RunResult
from core.records.spec import ModelInfo, TextProtocol
from core.surrogate.conformal import bands
from core.surrogate.surrogate import fit
from core.surrogate.validation import log_residuals, of_process

STRATA = (7, 6, 5)
PLANS = ((0, 1), (0, 2), (1, 3), (0, 1, 2), (0, 2, 4), (0, 1, 2, 3), (1, 2, 3, 5))


def game(players: int, sequences: int, noise: float = 0.03, seed: int = 0) -> tuple[Masks, Floats, Floats]:
    """Every coalition but the whole one, the losses of its sequences, and those of the whole model."""
    rng = np.random.default_rng(seed)
    masks = everything(players)[:-1]
    gone = (~masks).astype(float)
    cost = np.linspace(0.05, 0.4, players)[:, None] * rng.lognormal(0, 0.3, (players, sequences))
    dense = 3 + 0.3 * rng.normal(size=sequences)
    shared = noise * rng.normal(size=(len(masks), 1)) * gone.sum(axis=1, keepdims=True) ** 0.5
    return masks, dense + gone @ cost + 0.3 * gone[:, :1] * gone[:, 1:2] + shared, dense


def result_of(measured: Measurements, strata: tuple[int, ...]) -> RunResult:
    """What a run of these coalitions ends with."""
    players = measured.masks.shape[1]
    on_log, on_score = processes = [fit(measured, log=log).with_fifths(0) for log in (True, False)]
    fits = [of_process(process, 0) for process in processes]
    better = int(fits[1].r2 > fits[0].r2)
    return RunResult(
        run="made-up",
        model=ModelInfo("made-up", "Llama", players, 1000, "f" * 16, "float32", "cpu"),
        protocol=TextProtocol("made-up", "calibration", 16, 16, "none", len(measured.dense), 0, "0" * 16),
        strata=strata,
        masks=len(measured),
        dense_perplexity=float(np.exp(measured.dense.mean())),
        contributions=contributions(processes[better], strata, 0),
        surrogate=fits[better],
        others=(fits[1 - better],),
        not_finite=0,
        measured=len(measured) + 1,
        cached=0,
        seconds=1.0,
        bands=bands(measured.masks, log_residuals(on_log.held_out(0), measured), 0),
        learnt=(on_log.learnt, on_score.learnt),
        added=(),
    )


def evidence_of(masks: Masks, losses: Floats, dense: Floats, own: Floats, strata: tuple[int, ...] = STRATA) -> Evidence:
    """A finished run of the rows `own` of a game, of which everything else was measured by others."""
    every = Measurements(masks, losses, dense)
    measured = every[list(own)]
    plans = [plan for plan in PLANS if max(plan) < masks.shape[1]]
    return Evidence(result_of(measured, strata), True, 0, measured, every, None, plans)


@pytest.fixture(scope="session")
def honest() -> Evidence:
    """A run of eight players in which everything is as it should be: a third of all coalitions, nobody's among them."""
    masks, losses, dense = game(8, 12)
    kept = masks.sum(axis=1)
    likely = np.flatnonzero(kept > 0)
    rng = np.random.default_rng(1)
    own = rng.choice(likely, 110, replace=False, p=kept[likely] ** 3 / (kept[likely] ** 3.0).sum())
    planned = {tuple(np.flatnonzero(~mask)) for mask in masks} & set(PLANS)
    own = [row for row in own if tuple(np.flatnonzero(~masks[row])) not in planned]
    return evidence_of(masks, losses, dense, np.array([0, *own]))


@pytest.fixture(scope="session")
def complete() -> Evidence:
    """A run that has measured every coalition of five players."""
    masks, losses, dense = game(5, 8)
    return evidence_of(masks, losses, dense, np.random.default_rng(2).permutation(len(masks)), (4, 3))
