"""Measured coalitions -> named values of the layers and interactions of their pairs, with intervals and their reach."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.attribution import doubt, exact
from core.attribution.closed_form import measure, sizes
from core.attribution.hybrid import Hybrid, averaging, hybrid
from core.attribution.stratified import MOVE_SAMPLES, SAMPLES, stratified_contributions
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import LOG_SCORE, SCORE, WORTHS
from core.errors import SelectionError
from core.records.fits import Fit
from core.records.results import RunResult
from core.records.values import INTERACTIONS, VALUES, Z90, LayerValues, PairInteraction, PairInteractions, ValueEstimate
from core.surrogate.stacked import Stacked, stack
from core.surrogate.surrogate import Surrogate, fit_worth, learnt_of
from core.surrogate.validation import of_paper, of_process


def layer_values(
    measured: Measurements, kind: str, worth: str, strata: Sequence[int], seed: int, known: RunResult | None = None
) -> LayerValues:
    """One kind of value of every layer.

    What was measured counts as measured, and a surrogate speaks for the rest (`attribution.hybrid`): where every
    coalition was measured, values are exact; Shapley values sum to what the whole model is worth more than none of its
    layers. Intervals are 90 % for the coalitions that were not measured (`attribution.doubt`). `paper` is the
    stratified contribution just as the paper has it, by its own network and over 80,000 masks; it has no interval.

    Args:
        measured: the coalitions; for the worth kl, with KL in place of losses and zeros for the whole model.
        kind: stratified, shapley, banzhaf, local or paper.
        worth: by its name, of `coalitions.worth`.
        strata: numbers of kept layers, for the stratified contribution.
        seed: of masks and folds.
        known: a run of this game, whose surrogates are neither learnt nor tested again where it has kept what they are.
    """
    check_kind(kind, VALUES, worth)
    measured.check_enough()
    layers, log = measured.masks.shape[1], WORTHS[worth].log
    if kind == "paper":
        return _paper(measured, strata, seed)

    kinds = [averaging(kind, layers, strata)]
    complete = _complete(measured, worth)
    if complete is not None:
        return LayerValues(kind, worth, _estimates(exact.values(complete, kinds[0].sizes), np.zeros(layers)), None, 0.0)

    def figure(game: Hybrid) -> Floats:
        return game.values(kinds, seed, MOVE_SAMPLES)

    surrogate, quality = fitted(measured, worth, seed, known)
    [centre] = hybrid(surrogate, log).values(kinds, seed, SAMPLES)
    [half] = doubt.of_sampling(surrogate, log, figure, seed)
    return LayerValues(
        kind=kind,
        worth=worth,
        values=_estimates(centre, half),
        surrogate=quality,
        extrapolated=0.0 if kind == "stratified" else _extrapolated(measured, kind, 1),
    )


def pair_interactions(
    measured: Measurements, kind: str, worth: str, seed: int, known: RunResult | None = None
) -> PairInteractions:
    """The interaction of every pair of layers, the strongest first; arguments as for `layer_values`.

    They are read off the process on the worth itself, in closed form.
    """
    check_kind(kind, INTERACTIONS, worth)
    measured.check_enough()
    complete = _complete(measured, worth)
    if complete is not None:
        found = exact.interactions(complete, sizes(measure(kind, complete.ndim), complete.ndim - 2))
        return PairInteractions(kind, worth, _pairs(found, np.zeros_like(found)), None, 0.0)
    surrogate = fit_worth(measured, worth, known).with_fifths(seed)
    return replace(interactions_of(surrogate, own_quality(surrogate, worth, seed, known), kind, seed), worth=worth)


def surrogate_of(measured: Measurements, worth: str, seed: int, known: RunResult | None) -> Surrogate | Stacked:
    """The surrogate that values of a worth come from: of a logarithm the process on it, of scores both processes.

    What a run of this game has found of them serves again (`learnt_of`). One of an earlier release has kept which of
    the two processes its scores come from: they still do.
    """
    on_worth = fit_worth(measured, worth, known)
    if WORTHS[worth].log:
        return on_worth
    on_log = fit_worth(measured, LOG_SCORE.name, known)
    if known is None or learnt_of(known, worth, measured) is None:
        return stack(on_log, on_worth, seed)
    if known.level is not None:
        return Stacked(on_log, on_worth, known.level)
    alone = {one.name: one for one in (on_log, on_worth)}
    return alone.get(known.surrogate.name) or stack(on_log, on_worth, seed)


def fitted(measured: Measurements, worth: str, seed: int, known: RunResult | None) -> tuple[Surrogate | Stacked, Fit]:
    """`surrogate_of`, and how well it predicts that worth."""
    surrogate = surrogate_of(measured, worth, seed, known).with_fifths(seed)
    if isinstance(surrogate, Surrogate) and WORTHS[worth].log:
        return surrogate, own_quality(surrogate, worth, seed, known)
    if known is not None and learnt_of(known, worth, measured) is not None:
        return surrogate, known.surrogate
    return surrogate, of_process(surrogate, seed)


def own_quality(surrogate: Surrogate, worth: str, seed: int, known: RunResult | None) -> Fit:
    """How well a process predicts the worth that it is on, as a run of this game found it where that serves."""
    learnt = learnt_of(known, worth, surrogate.measured)
    if learnt is not None and learnt.quality is not None:
        return learnt.quality
    return of_process(surrogate, seed, log=surrogate.log)


def interactions_of(surrogate: Surrogate, quality: Fit, kind: str, seed: int) -> PairInteractions:
    """`pair_interactions` by a process on the worth that is fitted already, of known quality."""
    log, layers = surrogate.log, surrogate.measured.masks.shape[1]
    how, game = measure(kind, layers), hybrid(surrogate, log)
    centre, name = game.interactions(how), (LOG_SCORE if log else SCORE).name
    if game.complete:
        return PairInteractions(kind, name, _pairs(centre, np.zeros_like(centre)), None, 0.0)
    moved = doubt.of_sampling(surrogate, log, lambda some: some.interactions(how), seed)
    # A pair that no coalition tells of moves with none of them: what the process leaves open of it counts beside.
    half = np.hypot((moved + moved.T) / 2, Z90 * game.interactions_left_open(how))
    return PairInteractions(
        kind=kind,
        worth=name,
        pairs=_pairs(centre, half),
        surrogate=quality,
        extrapolated=_extrapolated(surrogate.measured, kind, 2),
    )


def _complete(measured: Measurements, worth: str) -> Floats | None:
    """The worth of every coalition, (2,) * n, if all were measured."""
    whole = np.ones_like(measured.masks[:1])
    return exact.cube(np.concatenate([whole, measured.masks]), WORTHS[worth].of(measured))


def _estimates(centre: Floats, half: Floats) -> tuple[ValueEstimate, ...]:
    return tuple(
        ValueEstimate(layer, float(value), float(value - width), float(value + width))
        for layer, (value, width) in enumerate(zip(centre, half, strict=True))
    )


def _pairs(centre: Floats, half: Floats) -> tuple[PairInteraction, ...]:
    """The upper triangle, the strongest first."""
    low, high = centre - half, centre + half
    pairs = [
        PairInteraction(int(i), int(j), float(centre[i, j]), float(low[i, j]), float(high[i, j]))
        for i, j in zip(*np.triu_indices(len(centre), 1), strict=True)
    ]
    return tuple(sorted(pairs, key=lambda pair: -abs(pair.value)))


def _extrapolated(measured: Measurements, kind: str, together: int) -> float:
    """The share of a figure that rests on coalitions outside the sizes that were measured.

    Args:
        measured: the coalitions.
        kind: of the value.
        together: layers whose presence changes in the figure: 1 in a value, 2 in an interaction.
    """
    others = np.arange(measured.masks.shape[1] - together + 1)
    weight = sizes(measure(kind, measured.masks.shape[1]), len(others) - 1)
    beyond = [measured.is_beyond(int(few)) or measured.is_beyond(int(few) + together) for few in others]
    return float(weight[beyond].sum())


def _paper(measured: Measurements, strata: Sequence[int], seed: int) -> LayerValues:
    from core.surrogate import paper_network

    networks = paper_network.fit_as_paper(measured.masks, measured.scores, seed)
    found = stratified_contributions(networks, measured.masks.shape[1], strata, SAMPLES, seed).mean(axis=0)
    return LayerValues(
        kind="paper",
        worth=SCORE.name,
        values=tuple(ValueEstimate(layer, float(value), np.nan, np.nan) for layer, value in enumerate(found)),
        surrogate=of_paper(measured, seed),
        extrapolated=0.0,
    )


def check_kind(kind: str, kinds: Sequence[str], worth: str) -> None:
    """SelectionError for a value that there is not."""
    if kind not in kinds or worth not in WORTHS or (kind == "paper" and worth != SCORE.name):
        raise SelectionError(
            f"There is no value {kind} of the worth {worth}.",
            f"Values: {', '.join(kinds)}. Worths: {', '.join(WORTHS)}; the paper's is of the score.",
        )
