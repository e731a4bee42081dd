"""Which evaluations of a game the estimates of a run rest on: the run's own coalitions, until somebody asks for more.

What-ifs, searches and other runs measure further coalitions of the same game. They are no part of a run, so that its
figures stay as they are; a refit takes them in, and says so.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from duckdb import DuckDBPyConnection

from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.masks import encode
from core.coalitions.worth import DIVERGENCES, LOSSES
from core.records.spec import RunSpec
from core.sampling.samplers import begin, check_size

# Coalitions that a fit can take, by what is measured of them, the first measured ones first; the whole model is none.
# What is not a number may be stored as NULL.
_USABLE = {
    measured: f"SELECT mask FROM {table} WHERE game = ? AND contains(mask, '0') "
    f"AND list_count({column}) = len({column}) AND NOT isnan(list_sum({column})) ORDER BY rowid"
    for measured, table, column in ((LOSSES, "evaluations", "losses"), (DIVERGENCES, "divergences", "kl"))
}


@dataclass(frozen=True)
class Basis:
    """How many coalitions estimates rest on, and whose they are."""

    own: int  # the run's
    further: int  # of its game, which others have measured
    refitted: bool  # whether somebody asked for the further ones

    @property
    def total(self) -> int:
        return self.own + self.further

    def __str__(self) -> str:
        if self.refitted:
            return f"refitted: {self.own:,} coalitions of the run and {self.further:,} further evaluations"
        if self.further:
            return (
                f"all {self.total:,} evaluations of this game, as the release that made this run did not keep which "
                "ones were the run's (run it again: it takes what is measured already, and keeps them)"
            )
        return f"{self.own:,} coalitions of the run"


@dataclass(frozen=True)
class Asked:
    """Which coalitions of a game are asked for."""

    game: str
    own: frozenset[str]  # masks of the run, measured or not
    fewest: float  # of them that must be there; where fewer are, they are others, and all of the game is taken
    refit: int | None  # coalitions of a refit: the run's, and the first ones of the others

    def among(self, masks: list[str]) -> tuple[list[str], Basis]:
        """Those among the usable masks of the game, and what they are."""
        own = [mask for mask in masks if mask in self.own]
        further = [mask for mask in masks if mask not in self.own]
        if self.refit is not None:
            further = further[: max(0, self.refit - len(own))]
        elif len(own) >= self.fewest:
            further = []
        return own + further, Basis(len(own), len(further), self.refit is not None)


def asked(database: Database, run: StoredRun) -> Asked:
    """Which coalitions the estimates of a run rest on, as it stands.

    Raises:
        RunNotFound: nothing of its game is in the file.
    """
    found = run.result
    players = found.model.players if found is not None else queries.players(database, run)
    added = found.added if found is not None else ()
    fewest = 0.0
    if added is None and run.spec.sampler == "adaptive":  # an earlier release made it
        fewest = float("inf")
    elif found is not None and (run.spec.sampler == "shapley" or (added is None and run.status == "finished")):
        # An earlier release may have drawn its coalitions, if these are others, in another way.
        fewest = found.masks - found.not_finite
    # Release 0.1 kept nothing of what it added, and drew without the coalition of no layers.
    earlier = found is not None and added is None
    return Asked(run.game, _own(run.spec, len(players), added or (), empty=not earlier), fewest, run.refit)


def taken(database: Database, wanted: Asked) -> set[str]:
    """The masks of the coalitions that were asked for and can be fitted to."""
    with database.reading() as connection:
        return set(wanted.among(_usable(connection, wanted.game, LOSSES))[0])


def counted(database: Database, wanted: Asked, measured: str = LOSSES) -> Basis:
    """How many coalitions these are; of KL, those of them of which it was measured."""
    with database.reading() as connection:
        masks, found = wanted.among(_usable(connection, wanted.game, LOSSES))
        if measured == LOSSES:
            return found
        known = set(_usable(connection, wanted.game, measured))
    own, further = masks[: found.own], masks[found.own :]
    return replace(found, own=sum(mask in known for mask in own), further=sum(mask in known for mask in further))


def count_usable(database: Database, game: str) -> int:
    """How many coalitions of a game can be fitted to."""
    with database.reading() as connection:
        return len(_usable(connection, game, LOSSES))


def refitted(database: Database, run: StoredRun) -> StoredRun:
    """The run with estimates that rest on all that is measured of its game; as it is where nothing further is."""
    every = count_usable(database, run.game)
    return replace(run, refit=every) if every > counted(database, asked(database, run)).total else run


@lru_cache(maxsize=8)
def _own(spec: RunSpec, players: int, added: tuple[str, ...], *, empty: bool) -> frozenset[str]:
    """The masks of a run: those that it began with follow from what was asked for, and it has kept those it added.

    Raises:
        SelectionError: no run has been asked for so; the file was changed.
    """
    check_size(spec)
    _, masks = begin(spec, players, empty=empty)
    return frozenset([*map(encode, masks[1:]), *added])


def _usable(connection: DuckDBPyConnection, game: str, measured: str) -> list[str]:
    return [mask for (mask,) in connection.execute(_USABLE[measured], [game]).fetchall()]
