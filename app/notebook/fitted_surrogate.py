"""The surrogate of losses that a notebook brings along: from this model, from another program, from any game."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from app.notebook.answers import interaction_table, value_table
from app.notebook.given import integers_of, masks_of, numbers_of, spec_of, texts_of
from cache.evaluations import usable
from core.coalitions.masks import check_fit, encode
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import LOSSES, WORTHS
from core.errors import SelectionError
from core.records.fits import Band
from core.records.values import INTERACTIONS, VALUES

if TYPE_CHECKING:
    from core.surrogate.gaussian_process import GaussianProcess


class Surrogate:
    """A Gaussian process on the losses of coalitions; `quorum.fit` gives one."""

    def __init__(self, measured: Measurements, players: tuple[str, ...], seed: int) -> None:
        self._measured, self.players, self._seed = measured, players, seed

    def __repr__(self) -> str:
        sequences = len(self._measured.dense)
        return f"<Surrogate: {len(self.players)} players, {len(self._measured)} masks, {sequences} sequences>"

    def values(
        self, kind: str = "stratified", worth: str = "score", *, strata: Sequence[int] | None = None
    ) -> pd.DataFrame:
        """One kind of value of every player: player, value, low, high (90 %), in units of the worth.

        Exact, without an interval, where the losses of all coalitions are known.

        Args:
            kind: stratified, shapley, banzhaf, local, or paper.
            worth: score (PPL_dense / PPL) or log_score (nats a token).
            strata: numbers of kept players, of the stratified contribution; None takes the paper's.
        """
        from core.attribution.named_values import check_kind, layer_values
        from core.sampling.strata import check_strata, default_strata

        _check_worth(worth)
        check_kind(kind, VALUES, worth)
        asked = default_strata(len(self.players)) if strata is None else integers_of(strata, "strata")
        sizes = check_strata(asked, len(self.players))
        return value_table(layer_values(self._measured, kind, worth, sizes, self._seed), self.players)

    def interactions(self, kind: str = "shapley", worth: str = "log_score") -> pd.DataFrame:
        """How pairs depend on each other, the strongest first: first, second, value, low, high (90 %), meaning.

        Args:
            kind: shapley, faithful, banzhaf or local.
            worth: score or log_score.
        """
        from core.attribution.named_values import check_kind, pair_interactions

        _check_worth(worth)
        check_kind(kind, INTERACTIONS, worth)
        return interaction_table(pair_interactions(self._measured, kind, worth, self._seed), self.players)

    def predict(self, masks: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """The mean loss of coalitions, and a 90 % predictive interval of it: (mean, low, high), each (masks,).

        The whole model's loss is known, and has no interval. Intervals are of coalitions as such: whoever takes the
        best predicted of many should expect it to fall short of them, and `Run.predict` takes that off.

        Args:
            masks: (masks, players), True for a player who is kept.
        """
        from core.surrogate.conformal import half_of

        asked = masks_of(masks)
        check_fit(asked, self.players)
        whole = asked.all(axis=1)
        found = self._process.predict(np.concatenate([np.ones_like(asked[:1]), asked]))
        mean = np.where(whole, 0.0, found[0] - found[1:]) + self._measured.dense.mean()
        half = np.array([half_of(self._bands, int(kept)) for kept in asked.sum(axis=1)])
        half[whole] = 0.0
        return mean, mean - half, mean + half

    @cached_property
    def _process(self) -> "GaussianProcess":
        from core.surrogate.surrogate import fit

        return fit(self._measured).process

    @cached_property
    def _bands(self) -> tuple[Band, ...]:
        from core.surrogate.conformal import bands
        from core.surrogate.validation import residuals

        return bands(self._measured.masks, residuals(self._measured, self._seed), self._seed)


def fit(
    masks: ArrayLike, losses: ArrayLike, dense: ArrayLike, seed: int = 0, *, players: Sequence[str] | None = None
) -> Surrogate:
    """Learns a surrogate from the losses of coalitions, as `evaluate` or any other program has measured them.

    Args:
        masks: (masks, n) of bool, True for a player who is kept; each once. A row of True is the whole model, whose
            loss is `dense`, and is left out; so is one with a loss that is not a number.
        losses: mean NLL of each, nats a token, (masks, sequences).
        dense: the whole model's, (sequences,).
        seed: of the folds and draws.
        players: n names; None counts from "0".

    Raises:
        QuorumError: shapes that do not fit, a mask or a name that is there twice, fewer than 10 usable masks, or a seed
            that no generator takes.
    """
    from core.sampling.samplers import check_seed

    spec = spec_of(seed=seed)
    check_seed(spec)
    asked = masks_of(masks)
    count, n = asked.shape
    whole = numbers_of(dense, "dense", (None,))
    measured = numbers_of(losses, "losses", (count, len(whole)))
    names = tuple(map(str, range(n))) if players is None else texts_of(players, "players")
    if len(names) != n or len(set(names)) < n:
        raise SelectionError(
            f"{len(set(names))} different names were given for {n} players.", "Give a name to each column of masks."
        )
    if not np.isfinite(whole).all():
        raise SelectionError("The whole model's losses are not all numbers.", "Give a finite loss for each sequence.")
    if len(np.unique(asked, axis=0)) < count:
        raise SelectionError("A mask is there twice.", "Give each mask once: numpy.unique(masks, axis=0).")
    by_mask = {encode(mask): row for mask, row in zip(asked, measured, strict=True)}
    usable_ones = usable(dict(sorted(by_mask.items())), whole)
    usable_ones.check_enough()
    return Surrogate(usable_ones, names, spec.seed)


def _check_worth(worth: str) -> None:
    if worth in WORTHS and WORTHS[worth].measured != LOSSES:
        raise SelectionError(
            "Of losses there is no KL.", "Fit the divergences with zeros for `dense`, and ask for log_score."
        )
