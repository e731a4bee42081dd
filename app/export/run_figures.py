"""The figures of a run, each with the table of what it shows: for the report, and for files."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.contributions.bars import contribution_bars
from app.dashboard import reads
from app.dashboard.tables import by_layer_table, interaction_table, methods_table, value_table
from app.figures.charts import Chart
from app.figures.heatmaps import stratum_heatmap
from app.interactions.matrix import interaction_matrix
from app.predicted import predictor
from app.preview import steps
from app.preview.curve import Place, curve, rivals
from app.preview.curve_table import curve_table
from app.preview.steps import Step
from app.surrogate.fit_figures import predicted_against_measured
from app.surrogate.fit_tables import held_out_table
from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.attribution.stability import rank_intervals
from core.coalitions.worth import SCORE, WORTHS
from core.records.results import RunResult
from core.selection.targets import ACCEPTED


@dataclass(frozen=True)
class RunFigure:
    """A figure of a run and its data."""

    name: str  # of its files
    title: str
    chart: Chart
    table: pd.DataFrame

    def on_paper(self) -> go.Figure:
        """The figure as it is printed: on white, where pages have a theme."""
        return go.Figure(self.chart.figure).update_layout(template="plotly_white")


def usual_removal(database: Database, run: StoredRun) -> tuple[int, ...]:
    """The removal that pages show before anybody has chosen one: the furthest that is still good."""
    assert run.result is not None
    return steps.usual(run.result, steps.best(database, run) or steps.ranked(database, run, predictor(database, run)))


def run_figures(database: Database, run: StoredRun, removed: tuple[int, ...]) -> tuple[RunFigure, ...]:
    """All figures that a run has, the removal on show among its plans: some come with its end, or with a comparison."""
    result = run.result
    assert result is not None
    return tuple(_drawn(database, run, result, removed))


def _drawn(database: Database, run: StoredRun, result: RunResult, removed: tuple[int, ...]) -> Iterator[RunFigure]:
    players, unit = result.model.players, SCORE.unit
    table = value_table(result.overall, rank_intervals(result.overall), players, "contribution")
    yield RunFigure("contributions", "Contributions", contribution_bars(result), table)
    by_stratum = np.array(result.by_stratum)
    depths = stratum_heatmap(result.strata, by_stratum, players, unit)
    table = by_layer_table("layers kept", list(map(str, result.strata)), by_stratum, players)
    yield RunFigure("by-depth", "By number of layers kept", depths, table)
    if (pairs := result.interactions) is not None:
        order, unit = range(len(players)), WORTHS[pairs.worth].unit
        matrix = interaction_matrix(pairs, order, players, unit, pairs.pairs[0])
        yield RunFigure("interactions", "Interactions", matrix, interaction_table(pairs, players))
    if (found := queries.diagnostics(database, run.run)) is not None:
        held = found.predicted[0]
        scatter = predicted_against_measured(result, found, held)
        yield RunFigure("surrogate", "Predicted against measured", scatter, held_out_table(result, found, held))
    yield _plans(database, run, result, removed)
    if (compared := reads.comparison(database, run.run)) is not None:
        title = "Against the literature, on text that no method has seen"
        yield RunFigure("methods", title, rivals(compared), methods_table(compared))


def _plans(database: Database, run: StoredRun, result: RunResult, removed: tuple[int, ...]) -> RunFigure:
    """Perplexity against the number of removed layers: plans, the paper's ranking, rivals, and the removal on show."""
    predict = predictor(database, run)
    best, ranked = steps.best(database, run), steps.ranked(database, run, predict)
    ranked, others = {count: _rounded(step) for count, step in ranked.items()}, steps.choices(database, run)
    marks = steps.bend(result, best or ranked), result.dense_perplexity * (1 + ACCEPTED)
    measured = reads.all_known(database, run, (removed,)).get(removed)
    here = None
    if measured is not None:
        here = Step(removed, *measured, "measured")
    elif predict is not None:
        told = predict.predict(removed)
        source = "extrapolated" if told.extrapolated else "predicted"
        here = _rounded(Step(removed, told.perplexity, told.low, told.high, source))
    place: Place | None = None
    if here is not None and here.perplexity is not None:
        place = removed, here.perplexity, here.source
    table = curve_table(result.model.players, best, ranked, others, here)
    title = "Perplexity by number of layers removed"
    return RunFigure("plans", title, curve(result, best, ranked, others, marks, place), table)


def _rounded(step: Step) -> Step:
    """A prediction to four digits: the same in processes that compute with different numbers of threads."""
    if step.source == "measured" or step.perplexity is None:
        return step
    middle, low, high = (float(f"{value:.4g}") for value in (step.perplexity, step.low, step.high))
    return replace(step, perplexity=middle, low=low, high=high)
