"""How many coalitions a request should ask for, by a finished run of the same model: said before it begins."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from app.words import called
from cache import evaluations
from cache.database import Database
from cache.queries import StoredRun
from core.attribution.stability import SETTLED
from core.coalitions.worth import LOG_SCORE
from core.errors import QuorumError
from core.paths import own_name
from core.records.results import Findings
from core.records.spec import RunSpec
from core.surrogate.surrogate import learnt_of

if TYPE_CHECKING:
    from core.attribution.halves import Settling

# What makes two protocols unlike, the weightiest first.
_UNLIKE = ("corpus", "field", "preset", "bos", "window", "sequences", "seed", "sampler", "strata")


def ranking_sentence(database: Database, runs: Sequence[StoredRun], spec: RunSpec) -> str:
    """How settled the ranking of a request will be, and when it would be; empty where no run tells.

    It rests on a finished run of the same model (by its fingerprint) and the same players, on any text: the one of the
    nearest protocol, and of those the one with most coalitions.
    """
    if spec.sampler == "exhaustive":
        return ""
    for run in _alike(runs, spec):
        found = _of(database, run)
        if found is not None:
            return _said(found, run, spec)
    return ""


def _alike(runs: Sequence[StoredRun], spec: RunSpec) -> list[StoredRun]:
    """The finished runs of a request's model and players, the nearest first."""
    same = [run for run in runs if run.findings is not None and run.spec.model == spec.model]
    if not same:
        return []
    model = max(same, key=lambda run: run.changed)  # what the name stood for last
    alike = [
        run
        for run in runs
        if run.findings is not None
        and run.status == "finished"
        and not run.findings.is_exact
        and run.findings.fingerprint == _found(model).fingerprint
        and (run.spec.players, run.spec.protect) == (spec.players, spec.protect)
    ]
    return sorted(alike, key=lambda run: (*_unlike(run.spec, spec), -_found(run).fitted))


def _unlike(one: RunSpec, other: RunSpec) -> list[bool]:
    return [getattr(one, name) != getattr(other, name) for name in _UNLIKE]


@lru_cache(maxsize=32)
def _of(database: Database, run: StoredRun) -> "Settling | None":
    """What the halves of a finished run tell: its own coalitions do not change any more."""
    from core.attribution.halves import settling

    try:
        measured = evaluations.measurements(database, run)
        return settling(measured, run.strata, run.spec.seed, learnt_of(run.result, LOG_SCORE.name, measured))
    except QuorumError:  # too little is left of what it measured
        return None


def _said(found: "Settling", run: StoredRun, spec: RunSpec) -> str:
    text = "" if run.spec.corpus == spec.corpus else f" on {called(own_name(run.spec.corpus))}"
    basis = f"extrapolated from run {run.run}{text}, whose halves of {found.half:,} agree to {found.spearman:.2f}"
    expected = f"another run of {spec.masks:,} coalitions would rank the layers alike to about"
    expected += f" {found.expected(spec.masks):.2f}"
    if found.coalitions <= spec.masks:
        return f"{expected}, which counts as settled from {SETTLED:.2f} on ({basis})."
    return f"{expected}; {SETTLED:.2f}, where it counts as settled, takes about {_round(found)} ({basis})."


def _round(found: "Settling") -> str:
    """Two digits: more is not known."""
    return f"{float(f'{found.coalitions:.2g}'):,.0f}"


def _found(run: StoredRun) -> Findings:
    assert run.findings is not None
    return run.findings
