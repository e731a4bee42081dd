"""A calibration matrix: plans that were chosen on each of several texts, judged on unseen text of all of them."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from app.dashboard import reads
from app.root import PROGRAM
from cache import queries
from cache.database import Database
from cache.evaluations import games_of, losses
from cache.queries import StoredRun
from core.coalitions.masks import encode, without
from core.coalitions.measurements import Floats
from core.coalitions.ranks import rank_correlation
from core.evaluate.perplexity import perplexity
from core.records.plans import Plan
from core.records.results import RunResult
from core.records.spec import RunSpec, TextProtocol, TextSpec

_JUDGED = 4  # times as many sequences judge as are chosen on, none of them seen before
# Of a run's specification, what `matrix` is told beside the texts.
_OPTIONS = ("model", "masks", "sequences", "window", "seed", "players", "dtype", "device", "bos", "field")


def judging(spec: RunSpec) -> TextSpec:
    """The unseen windows that judge plans on a run's text."""
    return replace(spec.text("evaluation"), sequences=_JUDGED * spec.sequences)


@dataclass(frozen=True)
class CalibrationMatrix:
    """Runs that are alike but for their text, and what the plans of each cost on all of these texts, measured."""

    runs: tuple[StoredRun, ...]  # one for each text, with results
    judges: tuple[TextProtocol, ...]  # of the same texts
    dense: tuple[float, ...]  # perplexity of the whole model on each
    plans: dict[int, tuple[Plan, ...]]  # by how many they remove, one of each run
    perplexities: dict[int, Floats]  # the same, (chosen on, judged on); what is not measured is not a number

    @property
    def players(self) -> tuple[str, ...]:
        return _result(self.runs[0]).model.players

    def ratios(self, count: int) -> Floats:
        """Perplexity over the whole model's, (chosen on, judged on)."""
        found: Floats = self.perplexities[count] / np.array(self.dense)
        return found

    def ranks(self) -> list[list[float]]:
        """Spearman's, of the contributions of every two runs."""
        values = [np.array([item.value for item in _result(run).overall]) for run in self.runs]
        return [[rank_correlation(one, other) for other in values] for one in values]


def matrix_of(
    database: Database, runs: Sequence[StoredRun], judges: Sequence[tuple[str, TextProtocol]], counts: Sequence[int]
) -> CalibrationMatrix:
    """What the results file knows of these runs' plans of each count on the games of `judges`, one for each run."""
    every = [_plans(database, run) for run in runs]
    plans = {count: tuple(found[count] for found in every) for count in counts}
    players = len(_result(runs[0]).model.players)
    masks = {plan.removed: encode(without(players, plan.removed)) for row in plans.values() for plan in row}
    known = [losses(database, game, ["1" * players, *masks.values()]) for game, _ in judges]

    def cell(plan: Plan, judge: int) -> float:
        found = known[judge].get(masks[plan.removed])
        return perplexity(found.astype(np.float32)) if found is not None else np.nan

    cells = {
        count: np.array([[cell(plan, judge) for judge in range(len(judges))] for plan in row])
        for count, row in plans.items()
    }
    whole = [found.get("1" * players) for found in known]
    dense = tuple(perplexity(found.astype(np.float32)) if found is not None else np.nan for found in whole)
    return CalibrationMatrix(tuple(runs), tuple(protocol for _, protocol in judges), dense, plans, cells)


def measured_matrix(database: Database, run: StoredRun) -> CalibrationMatrix | None:
    """What there is of a run and those that are alike but for their text; None where nothing was judged on another."""
    shown, found = _result(run), []
    games = games_of(database, shown.model)
    for other in reads.runs(database):
        if other.findings is None or _but_for_text(other) != _but_for_text(run) or not _plans(database, other):
            continue
        asked = replace(_result(other).protocol, split="evaluation", tokens="")
        asked = replace(asked, sequences=_JUDGED * asked.sequences)
        found += [(other, judge) for judge in games if replace(judge[1], tokens="") == asked][:1]
    found.sort(key=lambda pair: (pair[0].run != run.run, pair[0].started))
    if len(found) < 2:
        return None
    runs, judges = [other for other, _ in found], [judge for _, judge in found]
    counts = sorted(set.intersection(*(set(_plans(database, other)) for other in runs)))
    matrix = matrix_of(database, runs, judges, counts)
    apart = ~np.eye(len(runs), dtype=np.bool_)
    judged = [count for count in counts if not np.isnan(matrix.perplexities[count][apart]).all()]
    return replace(matrix, plans={count: matrix.plans[count] for count in judged}) if judged else None


def command(spec: RunSpec) -> str:
    """The command that measures the matrix of a run's text and another one."""
    usual = {field.name: field.default for field in fields(RunSpec)}
    asked = [(name, getattr(spec, name)) for name in _OPTIONS if getattr(spec, name) != usual[name]]
    asked += [("protect", ",".join(map(str, spec.protect)))] * bool(spec.protect)
    asked += [("protocol", spec.preset)] * bool(spec.preset)
    words = [part for name, value in asked for part in (f"--{name}", str(value))]
    return shlex.join([*PROGRAM.split(), "matrix", "--corpora", f"{spec.corpus},OTHER", *words])


def _but_for_text(run: StoredRun) -> tuple[RunSpec, str, str]:
    assert run.findings is not None
    return replace(run.resolved, corpus=""), run.findings.fingerprint, run.findings.dtype


def _plans(database: Database, run: StoredRun) -> dict[int, Plan]:
    found = queries.selection(database, run.run, ())
    return {plan.count: plan for plan in found.plans} if found is not None else {}


def _result(run: StoredRun) -> RunResult:
    assert run.result is not None  # only such runs have plans
    return run.result
