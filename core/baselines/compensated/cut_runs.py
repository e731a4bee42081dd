"""Runs of neighbouring layers as one cut: which one each count takes, and the sequences that its fit passes over."""

import numpy as np

from core.baselines.contest import Contest, Plans
from core.baselines.criteria import windows
from core.coalitions.measurements import Floats
from core.coalitions.players import spans


def least_turning(contest: Contest, turn: Floats, ends: int) -> Plans:
    """For each count the run across which the hidden state turns least, and the charge of one fit for each.

    Args:
        contest: who is asked for how many.
        turn: by how much from before block a to before block b, (blocks + 1, blocks + 1).
        ends: one past the last block that may go; the first always stays.
    """
    where = spans(contest.loaded.info.players)
    free = [place for place, (begin, end) in enumerate(where) if begin > 0 and end <= ends]
    found = windows(np.asarray(turn), [where[place] for place in free], contest.most)
    plans = {count: tuple(free[place] for place in found[count]) for count in contest.counts if count in found}
    for removed in plans.values():
        cut = cut_of(contest, removed)
        contest.pass_to(cut.start, cut.stop)
    return plans


def cut_of(contest: Contest, removed: tuple[int, ...]) -> range:
    """The blocks of a run of players."""
    where = spans(contest.loaded.info.players)
    return range(where[removed[0]][0], where[removed[-1]][1])
