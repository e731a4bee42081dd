"""The run's figures in one file, on the page Export."""

import streamlit as st

from app.contributions.bars import contribution_bars
from app.dashboard import estimated
from app.dashboard.measured import known
from app.export.report import report
from app.figures.charts import Chart
from app.figures.heatmaps import stratum_heatmap
from app.interactions.matrix import interaction_matrix
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.worth import SCORE, WORTHS
from core.records.results import RunResult


def show_report(database: Database, run: StoredRun, result: RunResult, removed: tuple[int, ...]) -> None:
    """A button that draws the report when it is pressed."""
    st.header("A report in one file")
    measured = known(database, run, removed)
    st.download_button(
        "Download report.html",
        lambda: report(result, removed, measured[0] if measured else None, _charts(database, run, result)),
        f"report-{run.run}.html",
        "text/html",
        help="About 5 MB: it holds what draws the figures, and needs no network",
    )


def _charts(database: Database, run: StoredRun, result: RunResult) -> dict[str, Chart]:
    """The figures by their titles."""
    players, unit = result.model.players, SCORE.unit
    found = estimated.valued(database, run, "stratified", SCORE.name)
    charts = {
        "Contributions": contribution_bars(result),
        "By number of layers kept": stratum_heatmap(result.strata, found.by_stratum, players, unit, result.protocol),
    }
    if (pairs := result.interactions) is not None:
        order, unit = range(len(players)), WORTHS[pairs.worth].unit
        charts["Interactions"] = interaction_matrix(pairs, order, players, unit, result.protocol, pairs.pairs[0])
    return charts
