"""Measured coalitions -> named values of the layers and interactions of their pairs, with intervals and their reach."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from core.attribution import exact
from core.attribution.closed_form import Measure, interactions, measure, sizes, stratified, values
from core.attribution.stratified import DRAWS, SAMPLES, stratified_contributions
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import LOG_SCORE, SCORE, WORTHS
from core.errors import SelectionError
from core.records.fits import Fit
from core.records.results import RunResult
from core.records.values import INTERACTIONS, VALUES, Z90, LayerValues, PairInteraction, PairInteractions, ValueEstimate
from core.sampling.strata import stratified_sizes
from core.surrogate.gaussian_process import Process
from core.surrogate.surrogate import Surrogate, fit, learnt_of
from core.surrogate.validation import PROCESSES, of_paper, of_process


def layer_values(
    measured: Measurements, kind: str, worth: str, strata: Sequence[int], seed: int, known: RunResult | None = None
) -> LayerValues:
    """One kind of value of every layer.

    Where every coalition has been measured, values are exact (`attribution.exact`). Otherwise they are exact for the
    surrogate (`attribution.closed_form`); intervals are 90 % of its posterior and do not hold its misfit. `paper` is
    the stratified contribution just as the paper has it, by its own network and over 80,000 masks; it has no interval.

    Args:
        measured: the coalitions; for the worth kl, with KL in place of losses and zeros for the whole model.
        kind: stratified, shapley, banzhaf, local or paper.
        worth: by its name, of `coalitions.worth`.
        strata: numbers of kept layers, for the stratified contribution.
        seed: of masks and draws.
        known: a run of this game, whose surrogates are neither learnt nor tested again where it has kept what they are.
    """
    check_kind(kind, VALUES, worth)
    measured.check_enough()
    layers = measured.masks.shape[1]
    if kind == "paper":
        return _paper(measured, strata, seed)

    complete = _complete(measured, worth)
    if complete is not None:
        by_size = stratified_sizes(layers, strata) if kind == "stratified" else sizes(measure(kind, layers), layers - 1)
        found = exact.values(complete, by_size)
        return LayerValues(kind, worth, _estimates(found, np.zeros(layers)), None, 0.0)

    how = measure_of(kind, layers, strata)
    surrogate, quality = fitted(measured, worth, seed, known)
    centre, half = with_doubt(surrogate, lambda games: values(games, how), seed)
    return LayerValues(
        kind=kind,
        worth=worth,
        values=_estimates(centre, half),
        surrogate=quality,
        extrapolated=0.0 if kind == "stratified" else _extrapolated(measured, kind, 1),
    )


def measure_of(kind: str, layers: int, strata: Sequence[int]) -> Measure:
    """Which sizes of coalition a kind of value weighs."""
    return stratified(layers, strata) if kind == "stratified" else measure(kind, layers)


def pair_interactions(
    measured: Measurements, kind: str, worth: str, seed: int, known: RunResult | None = None
) -> PairInteractions:
    """The interaction of every pair of layers, the strongest first; arguments as for `layer_values`."""
    check_kind(kind, INTERACTIONS, worth)
    measured.check_enough()
    layers = measured.masks.shape[1]
    complete = _complete(measured, worth)
    if complete is not None:
        found = exact.interactions(complete, sizes(measure(kind, layers), layers - 2))
        return PairInteractions(kind, worth, _pairs(found, np.zeros_like(found)), None, 0.0)
    return replace(interactions_of(*fitted(measured, worth, seed, known), kind, seed), worth=worth)


def fitted(measured: Measurements, worth: str, seed: int, known: RunResult | None) -> tuple[Surrogate, Fit]:
    """The surrogate of a worth and its quality, as a run of this game found them where that serves (`learnt_of`)."""
    log, learnt = WORTHS[worth].log, learnt_of(known, worth, measured)
    surrogate = fit(measured, log=log, learnt=learnt)
    if known is None or learnt is None:
        return surrogate, of_process(measured, log, seed)
    return surrogate, next(found for found in (known.surrogate, *known.others) if found.name == PROCESSES[not log])


def interactions_of(surrogate: Surrogate, quality: Fit, kind: str, seed: int) -> PairInteractions:
    """`pair_interactions` by a surrogate that is fitted already, of known quality."""
    how = measure(kind, surrogate.measured.masks.shape[1])
    centre, half = with_doubt(surrogate, lambda games: interactions(games, how), seed)
    return PairInteractions(
        kind=kind,
        worth=(LOG_SCORE if surrogate.log else SCORE).name,
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
        ValueEstimate(layer, float(value), float(value - doubt), float(value + doubt))
        for layer, (value, doubt) in enumerate(zip(centre, half, strict=True))
    )


def _pairs(centre: Floats, half: Floats) -> tuple[PairInteraction, ...]:
    """The upper triangle, the strongest first."""
    low, high = centre - half, centre + half
    pairs = [
        PairInteraction(int(i), int(j), float(centre[i, j]), float(low[i, j]), float(high[i, j]))
        for i, j in zip(*np.triu_indices(len(centre), 1), strict=True)
    ]
    return tuple(sorted(pairs, key=lambda pair: -abs(pair.value)))


def with_doubt(surrogate: Surrogate, of: Callable[[Sequence[Process]], Floats], seed: int) -> tuple[Floats, Floats]:
    """A figure of the surrogate, and half the width of its 90 % interval.

    Its variance is that of draws from the posterior, larger by as much as the posterior is too sure of masks that it
    has not seen, and that of hyperparameters, which half of the masks would have set otherwise.

    Args:
        surrogate: fitted.
        of: the figure of each of some games of one kernel, (games, …).
        seed: of draws and halves.
    """
    process, rng = surrogate.process, np.random.default_rng(seed)
    centre, *drawn = of([process, *(process.draw(rng) for _ in range(DRAWS))])
    relearnt = [(of([other])[0] - centre) ** 2 for other in surrogate.with_halves(seed).relearnt()]
    variance = process.overconfidence() ** 2 * np.var(drawn, axis=0, ddof=1) + np.mean(relearnt, axis=0)
    return centre, np.asarray(Z90 * np.sqrt(variance))


def _extrapolated(measured: Measurements, kind: str, together: int) -> float:
    """The share of a figure that rests on coalitions outside the sizes that were measured.

    Args:
        measured: the coalitions.
        kind: of the value.
        together: layers whose presence changes in the figure: 1 in a value, 2 in an interaction.
    """
    layers = measured.masks.shape[1]
    low, high = measured.fewest_kept, measured.masks.sum(axis=1).max()
    others = np.arange(layers - together + 1)
    weight = sizes(measure(kind, layers), layers - together)
    # Between the largest measured size and the whole model, which is measured too, a small gap is interpolated.
    above = (others + together > high) & (high < layers - max(1, 0.1 * layers))
    return float(weight[(others < low) | above].sum())


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
