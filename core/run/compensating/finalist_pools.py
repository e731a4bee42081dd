"""What a search's finalists are drawn from: what a surrogate proposes, and layers in a row."""

from collections.abc import Collection

import numpy as np

from core.coalitions.masks import Masks, removed, without
from core.coalitions.measurements import FEWEST_MASKS, Measurements
from core.coalitions.players import spans
from core.evaluate.game import Game
from core.model.similarity import similarity
from core.records.plans import Selection
from core.records.spec import RunSpec
from core.records.storage import Store
from core.sampling.samplers import begin
from core.selection.finalists import PRIOR, Plain, Removal, cuts_in, nearest_runs, proposed
from core.selection.plan import keep_measured
from core.surrogate.surrogate import fit


def pools_of(
    store: Store, base: Game, spec: RunSpec, found: Selection, counts: Collection[int]
) -> dict[int, dict[Removal, Plain]]:
    """Of each count, what may be compensated, as it is without that on the run's text.

    Args:
        store: keeps what is measured of them.
        base: the run's game.
        spec: the run's request.
        found: its search.
        counts: of removed players.
    """
    players, cosine = base.loaded.info.players, similarity(base.loaded, base.windows.ids).cosine
    # Of what the run and its search rest on, and nothing that came later: asked again, the same sets are proposed.
    rests = [*begin(spec, len(players))[1], *(without(len(players), plan.removed) for plan in found.plans)]
    keep_measured(store, base, [plan.removed for plan in found.plans])
    seen = _known(store, base, np.array(rests))
    surrogate = fit(seen).reading(True) if len(seen) >= FEWEST_MASKS else None
    pools: dict[int, set[Removal]] = {}
    for plan in (plan for plan in found.plans if plan.count in counts):
        pool = {plan.removed, *nearest_runs(cosine, spans(players), plan.count, found.protected)}
        if surrogate is not None:
            pool.update(proposed(surrogate.predict, PRIOR, spans(players), plan.count, found.protected))
        pools[plan.count] = pool
    every = sorted(set().union(*pools.values()))
    keep_measured(store, base, every)
    now = _known(store, base, np.array([without(len(players), one) for one in every]))
    each = zip(now.rises.tolist(), cuts_in(now.masks, spans(players)).tolist(), strict=True)
    plain = dict(zip(map(removed, now.masks), map(Plain._make, each), strict=True))
    return {count: {one: plain[one] for one in sorted(pool) if one in plain} for count, pool in pools.items()}


def _known(store: Store, base: Game, masks: Masks) -> Measurements:
    """What is stored of masks, but for what is no number."""
    whole = np.ones((1, masks.shape[1]), dtype=np.bool_)
    [dense] = store.known(base.key, whole).values()
    known = {
        row: each.losses for row, each in store.known(base.key, masks).items() if masks[row].sum() < len(masks[row])
    }
    usable = sorted(row for row, losses in known.items() if np.isfinite(losses).all())
    losses = np.array([known[row] for row in usable], dtype=np.float64).reshape(len(usable), -1)
    return Measurements(masks[usable], losses, dense.losses.astype(np.float64))
