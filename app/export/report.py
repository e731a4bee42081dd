"""A run and a choice of layers as one file that any browser opens: the figures, their descriptions, the protocol."""

from html import escape

import streamlit as st

from app.contributions.bars import contribution_bars
from app.dashboard import estimated
from app.dashboard.measured import known
from app.figures.charts import Chart
from app.figures.heatmaps import stratum_heatmap
from app.figures.strip import strip
from app.interactions.matrix import interaction_matrix
from app.words import named
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.worth import SCORE, WORTHS
from core.paths import own_name
from core.records.results import RunResult

_STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}code{background:#eee}"


def show_report(database: Database, run: StoredRun, result: RunResult, removed: tuple[int, ...]) -> None:
    """A button that draws the report when it is pressed."""
    measured = known(database, run, removed)
    st.download_button(
        "Download report.html",
        lambda: report(result, removed, measured[0] if measured else None, _charts(database, run, result)),
        f"report-{run.run}.html",
        "text/html",
        help="About 5 MB: it holds what draws the figures, and needs no network",
    )


def report(result: RunResult, removed: tuple[int, ...], measured: float | None, charts: dict[str, Chart]) -> str:
    """The page as HTML. Plotly's script is inside it, so that it works without a network.

    Args:
        result: of the run.
        removed: the chosen layers.
        measured: the perplexity without them on the run's text, if it is known.
        charts: by their titles.
    """
    model = result.model
    gone = escape(named(model.players, removed)) or "none"
    found = f"{measured:.2f} (measured)" if measured is not None else "not measured"
    lines = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Quorum: {escape(own_name(model.source))}</title>",
        f"<style>{_STYLE}</style><h1>Which layers does {escape(own_name(model.source))} need?</h1>",
        f"<p>{escape(model.architecture)}, {model.layers} layers, {model.parameters:,} parameters, "
        f"{escape(model.dtype)}. Run <code>{escape(result.run)}</code>: {result.surrogate.masks} coalitions, "
        f"measured on {escape(str(result.protocol))}.</p>",
        strip(removed, result),
        f"<p>Removed layers: <b>{gone}</b>. Perplexity {found}; the whole model has {result.dense_perplexity:.2f} "
        f"(measured).</p><p><code>python -m app export {escape(result.run)} "
        f"--remove {escape(named(model.players, removed, ','))} --out DIR</code></p>",
    ]
    for index, (title, chart) in enumerate(charts.items()):
        drawn = chart.figure.to_html(full_html=False, include_plotlyjs=index == 0)
        lines.append(f"<h2>{escape(title)}</h2>{drawn}<p>{escape(chart.alt)}</p>")
    return "\n".join([*lines, "</html>"])


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
