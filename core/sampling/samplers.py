"""Which coalitions a run measures.

stratified   the paper's: strata by Hamming weight, uniform inside each (`sampling.strata`)
adaptive     every layer alone, a third of the budget as above, then rounds of proposals (`sampling.adaptive`),
             until the budget is spent or the ranking has settled
shapley      for values over sets of all sizes: none, all but one, then telling pairs of complements (`sampling.pairs`)
exhaustive   all of them, for games of few layers: values are then exact

Every run measures the coalition of no layers: with it, Shapley values add up to what the whole model is worth more.
"""

from math import comb

import numpy as np

from core.coalitions.masks import MOST_PLAYERS, Masks, everything
from core.coalitions.measurements import FEWEST_MASKS
from core.errors import SelectionError
from core.records.spec import SAMPLERS, RunSpec
from core.sampling.pairs import paired
from core.sampling.strata import check_strata, default_strata, stratified

_MOST_MASKS = 1_000_000
# The share of an adaptive run's budget that does not depend on what was measured.
_FIRST = 1 / 3
# Masks are walked in rounds. Each round is a balanced part of a sample by strata, so that an estimate after it rests on
# no particular kind of masks (one of `shapley` has what tells most first); and they are few, since prefixes are shared
# best in large ones.
_ROUNDS = (0.1, 0.4, 1.0)


def check_size(spec: RunSpec) -> None:
    """SelectionError for what is wrong whatever the model."""
    if spec.sampler not in SAMPLERS:
        raise SelectionError(f"There is no sampler {spec.sampler}.", f"Use one of {', '.join(SAMPLERS)}.")
    if not FEWEST_MASKS <= spec.masks <= _MOST_MASKS:
        raise SelectionError(
            f"{spec.masks:,} masks are too few or too many.",
            f"Ask for {FEWEST_MASKS} to {_MOST_MASKS:,}; 300 is usual.",
        )
    check_seed(spec)


def check_seed(spec: RunSpec) -> None:
    """SelectionError for a seed that no generator takes."""
    if not 0 <= spec.seed < 2**63:
        raise SelectionError(f"The seed {spec.seed} is out of range.", "Use a number from 0 to 2^63 - 1.")


def check_count(spec: RunSpec, layers: int) -> None:
    """SelectionError for more coalitions than the sampler of a request can draw."""
    if spec.sampler == "stratified":
        held = 1 + sum(comb(layers, kept) for kept in check_strata(spec.strata or default_strata(layers), layers))
        where = "these strata hold"
    elif spec.sampler == "shapley":
        held, where = 2**layers - 1, "there are"
    else:
        return  # an adaptive run stops where there are no more, and an exhaustive one takes all
    if spec.masks > held:
        raise SelectionError(
            f"{spec.masks:,} masks were asked for; {where} {held:,} coalitions, that of no layers among them.",
            f"Ask for {FEWEST_MASKS} to {held:,} masks{', or add strata' * (spec.sampler == 'stratified')}.",
        )


def begin(spec: RunSpec, layers: int, *, empty: bool = True) -> tuple[tuple[int, ...], Masks]:
    """The strata, and the coalitions that a run begins with: the whole model, then the sample, or its first part.

    Args:
        spec: what is asked for.
        layers: n.
        empty: whether a sample by strata begins with the coalition of no layers, in the place of its last one. That of
            release 0.1 did not.

    Raises:
        SelectionError: strata or a sampler that this model cannot have.
    """
    strata = check_strata(spec.strata or default_strata(layers), layers)
    check_count(spec, layers)
    whole = np.ones((1, layers), dtype=np.bool_)
    first = np.concatenate([whole, np.zeros((int(empty), layers), dtype=np.bool_)])
    if spec.sampler == "exhaustive":
        if layers > MOST_PLAYERS:
            raise SelectionError(
                f"{layers} layers have 2^{layers} coalitions, too many to measure.",
                f"Models of up to {MOST_PLAYERS} layers can be measured exhaustively; use --sampler stratified.",
            )
        if 2**layers <= FEWEST_MASKS:
            raise SelectionError(f"{layers} layers have only {2**layers} coalitions.", "Use a deeper model.")
        # In a random order: any first part of it is a sample.
        every = np.random.default_rng(spec.seed).permutation(everything(layers)[:-1])
        return strata, np.concatenate([whole, every])
    if spec.sampler == "shapley":
        return strata, np.concatenate([whole, paired(layers, spec.masks, spec.seed)])
    if spec.sampler == "stratified":
        return strata, np.concatenate([first, stratified(layers, strata, spec.masks - int(empty), spec.seed)])
    count = min(max(FEWEST_MASKS, int(spec.masks * _FIRST)), sum(comb(layers, kept) for kept in strata))
    sample = stratified(layers, strata, count, spec.seed)
    begun = np.concatenate([first, ~np.eye(layers, dtype=np.bool_), sample])
    _, rows = np.unique(begun, axis=0, return_index=True)
    return strata, begun[np.sort(rows)][: 1 + spec.masks]


def rounds(sample: int) -> list[int]:
    """Where each round of 1 + `sample` masks begins, and the last one ends; the whole model is a round of its own."""
    return [0, 1, *(1 + int(share * sample) for share in _ROUNDS)]


def wanted(spec: RunSpec, masks: Masks) -> int:
    """How many coalitions a run measures at most, the whole model included, of which it begins with `masks`."""
    return 1 + spec.masks if spec.sampler == "adaptive" else len(masks)
