"""The paper's own ranking (arXiv 2602.07804)."""

from math import comb

import numpy as np

from core.attribution.stratified import SAMPLES, stratified_contributions
from core.baselines.contest import Contest, Plans
from core.baselines.criteria import ranking
from core.coalitions.measurements import Measurements
from core.sampling.strata import default_strata, stratified
from core.surrogate import paper_network

PAPER_MASKS = 300


def paper(contest: Contest) -> Plans:
    """Its sampler, its network trained its way, the least contributions first."""
    meter = contest.meter
    strata = default_strata(meter.players)
    available = sum(comb(meter.players, kept) for kept in strata)
    masks = stratified(meter.players, strata, min(PAPER_MASKS, available), contest.seed)
    losses = meter.losses(np.concatenate([meter.whole[None], masks]), contest.sequences)
    usable = np.flatnonzero(~np.isnan(losses[1:]).any(axis=1))
    measured = Measurements(masks[usable], losses[1:][usable], losses[0])
    networks = paper_network.fit_as_paper(measured.masks, measured.scores, contest.seed)
    found = stratified_contributions(networks, meter.players, strata, SAMPLES, contest.seed).mean(axis=0)
    return ranking(found, contest.most)
