"""LoRP (arXiv 2605.27786): layers in clusters of alike hidden states, and removal where most is left alike.

S is the mean cosine over tokens of what enters each two layers, and RLS = -log2 of its mean over pairs (equations 3 to
6). There are 2 clusters where RLS is 1 or more, 3 from .7 on, else 4, by spectral clustering of (S + 1) / 2 (equation
7). In a cluster the layer of largest mean S to the others goes first (equation 8). Every cluster gives one, by depth;
then, again and again, the one whose layers that stay are most alike in the mean (equation 10). First and last layer
stay.

Here players may be groups of layers, and those that are protected take no part in the clusters.
"""

from itertools import combinations

import numpy as np
from sklearn.cluster import SpectralClustering

from core.baselines.contest import Contest, Plans
from core.coalitions.measurements import Floats
from core.coalitions.players import spans
from core.model.similarity import Similarity

_LOCAL, _HALFWAY = 1.0, 0.7  # values of RLS from which on there are 2 and 3 clusters, and 4 below


def lorp(contest: Contest, near: Similarity) -> Plans:
    """The first players of one order, as many as each count asks for; fewer where no more may go."""
    where = spans(contest.loaded.info.players)
    begins = [begin for begin, _ in where]
    alike = near.cosine[np.ix_(begins, begins)]
    ends = {place for place, (begin, end) in enumerate(where) if begin == 0 or end == contest.loaded.info.layers}
    order = removal_order(alike, clusters_of(alike), ends)
    return {count: tuple(sorted(order[:count])) for count in contest.counts if count <= len(order)}


def clusters_of(alike: Floats) -> list[list[int]]:
    """The clusters of players by their mean cosines (n, n), each and all of them by depth."""
    players = len(alike)
    mean = alike[np.triu_indices(players, 1)].mean() if players > 1 else 1.0
    locality = -np.log2(mean) if mean > 0 else np.inf
    wanted = min(2 if locality >= _LOCAL else 3 if locality >= _HALFWAY else 4, players)
    affinity = (alike + 1) / 2
    np.fill_diagonal(affinity, 1)
    if wanted == players:
        return [[player] for player in range(players)]
    labels = SpectralClustering(wanted, affinity="precomputed", random_state=0).fit_predict(affinity)
    return sorted([int(player) for player in np.flatnonzero(labels == label)] for label in np.unique(labels))


def removal_order(alike: Floats, clusters: list[list[int]], stay: set[int]) -> list[int]:
    """In which order players go that may."""

    def left(cluster: list[int]) -> float:
        pairs = list(combinations([player for player in cluster if player not in order], 2))
        return float(np.mean([alike[pair] for pair in pairs])) if pairs else -np.inf

    queues = []
    for cluster in clusters:
        redundancy = {player: _mean_to_others(alike, player, cluster) for player in cluster}
        free = [player for player in cluster if player not in stay]
        queues.append(sorted(free, key=redundancy.__getitem__, reverse=True))
    order: list[int] = []
    for queue in queues:
        order += queue[:1]
        del queue[:1]
    while any(queues):
        # Of clusters that are alike to the same degree, or have no pair left, the shallowest.
        place = max((place for place, queue in enumerate(queues) if queue), key=lambda one: left(clusters[one]))
        order.append(queues[place].pop(0))
    return order


def _mean_to_others(alike: Floats, player: int, cluster: list[int]) -> float:
    others = [other for other in cluster if other != player]
    return float(alike[player, others].mean()) if others else -np.inf
