"""What a coalition is worth: each worth is a row of `WORTHS`, and whatever depends on one asks its row.

A worth follows from what is measured of each sequence, and is a score or the logarithm of one. Those in nats are
bounded below at ln 1e-5: what is worse is ruined, and no game is ruled by how much.
"""

from dataclasses import dataclass

import numpy as np

from core.coalitions.measurements import Floats, Measurements

# What is measured of each sequence: its loss, or the KL from the whole model's predictions in place of it.
LOSSES, DIVERGENCES = MEASURED = ("losses", "KL")


@dataclass(frozen=True)
class Worth:
    """One way to say what a coalition is worth."""

    name: str
    log: bool  # whether it is the log score of what is measured, or the score; a surrogate of it learns that
    unit: str
    sentence: str  # what it is, for people
    measured: str = LOSSES

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    def of(self, measured: Measurements) -> Floats:
        """The worth of the whole model first, then of each mask, (1 + masks,)."""
        return targets(measured, self.log)


def targets(measured: Measurements, log: bool) -> Floats:
    """The log score, or the score, of the whole model first, then of each mask, (1 + masks,)."""
    return np.append(0.0, measured.log_scores) if log else np.append(1.0, measured.scores)


SCORE = Worth(
    "score",
    log=False,
    unit="of PPL_dense / PPL",
    sentence="Worth is the score PPL_dense / PPL: 1 means that nothing was lost, 0 that the model is ruined.",
)
LOG_SCORE = Worth(
    "log_score",
    log=True,
    unit="nats a token",
    sentence="Worth is the logarithm of the score: the negative rise of the mean loss, in nats a token.",
)
KL = Worth(
    "kl",
    log=True,
    unit="nats a token of −KL",
    sentence="Worth is the negative KL divergence from the whole model's predictions, in nats a token.",
    measured=DIVERGENCES,
)
WORTHS = {worth.name: worth for worth in (SCORE, LOG_SCORE, KL)}
