"""How far a surrogate can be trusted -> figures."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.digits import HOVER, RUINED, perplexity, significant
from app.figures.charts import BLUE, GREY, LEGEND, MARGIN, VERMILION, Chart
from app.surrogate.fit_tables import held_out_table
from core.records.diagnostics import Diagnostics, HeldOut, Step
from core.records.fits import Band, Prediction
from core.records.results import RunResult

_BAND = "rgba(230,159,0,0.28)"
# Below this R2 a curve says no more than that nothing has been learnt yet.
_LOWEST = -0.5


def predicted_against_measured(result: RunResult, found: Diagnostics, held: HeldOut) -> Chart:
    """One point for each coalition that one kind of surrogate has not seen, on logarithmic axes."""
    table = held_out_table(result, found, held)
    pair = table[["measured perplexity", "predicted perplexity"]]
    ends = pair.stack().agg(["min", "max"])
    figure = go.Figure(go.Scatter(x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dash"}, hoverinfo="skip"))
    figure.add_scatter(
        x=table["measured perplexity"],
        y=table["predicted perplexity"],
        mode="markers",
        marker={"color": BLUE, "size": 7, "opacity": 0.6},
        customdata=pd.concat([table[["removed", "layers kept"]], pair.map(perplexity)], axis=1),
        hovertemplate="without layers %{customdata[0]}<br>%{customdata[1]} layers kept<br>measured %{customdata[2]}<br>"
        "predicted, held out %{customdata[3]}<extra></extra>",
    )
    axis = {"type": "log", **_decades(ends["min"], ends["max"])}
    figure.update_layout(
        height=400,
        margin=MARGIN,
        showlegend=False,
        xaxis={"title": "measured perplexity", **axis},
        yaxis={"title": "predicted perplexity (held out)", **axis},
    )
    off = np.exp(table["residual, nats a token"].abs())
    alt = (
        f"Scatter: perplexity of {len(table)} coalitions as measured and as predicted by {held.name}, which had not "
        f"seen them. Half of the predictions are within a factor of {significant(off.median())}, nine tenths within "
        f"{significant(off.quantile(0.9))}."
    )
    return Chart(figure, alt)


def _decades(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis of perplexities: powers of ten, and one word for all above which models are ruined.

    Where the range holds fewer than two powers of ten, Plotly's own ticks say more.
    """
    powers = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    shown = [power for power in powers if power <= RUINED]
    if len(powers) < 2:
        return {"tickformat": HOVER, "nticks": 6}
    words = [f"{power:,.0f}" for power in shown]
    if high > 3 * RUINED:
        shown, words = [*shown, math.sqrt(RUINED * high)], [*words, "ruined"]
    return {"tickmode": "array", "tickvals": shown, "ticktext": words}


def coverage_bars(bands: Sequence[Band]) -> Chart:
    """How many of the held-out coalitions were within the 90 % interval, by number of layers kept, the most first."""
    order = sorted((band for band in bands if band.masks), key=lambda band: -band.most)
    factors = [f"× {significant(band.factor)}" if math.isfinite(band.factor) else "too few" for band in order]
    figure = go.Figure(
        go.Bar(
            x=[f"{band.sizes}<br>{factor}" for band, factor in zip(order, factors, strict=True)],
            y=[band.coverage for band in order],
            marker_color=BLUE,
            customdata=[(band.masks, factor, band.sizes) for band, factor in zip(order, factors, strict=True)],
            hovertemplate="%{customdata[2]} layers kept<br>%{y:.0%} of %{customdata[0]} held-out coalitions within<br>"
            "the predicted perplexity %{customdata[1]} either way<extra></extra>",
        )
    )
    figure.add_hline(0.9, line={"color": VERMILION, "dash": "dash", "width": 2})
    figure.update_layout(
        height=400,
        margin=MARGIN,
        xaxis={"title": "layers kept, and the factor of the interval", "type": "category"},
        yaxis={"title": "held, of 90 % intervals", "range": [0, 1.02], "tickformat": ".0%", "dtick": 0.25},
        showlegend=False,
    )
    worst, best = min(order, key=lambda band: band.coverage), max(order, key=lambda band: band.coverage)
    alt = (
        f"Bars: how many of the 90 % intervals held, in {len(order)} groups of sizes. Between {worst.coverage:.0%} "
        f"({worst.sizes} layers kept) and {best.coverage:.0%} ({best.sizes} kept); the dashed line is at 90 %."
    )
    return Chart(figure, alt)


def residuals_by_size(result: RunResult, found: Diagnostics, held: HeldOut) -> Chart:
    """Measured minus predicted log score by number of layers kept, in front of the conformal bands."""
    table = held_out_table(result, found, held)
    kept, residual = table["layers kept"], table["residual, nats a token"]
    # Points of one size lie side by side, always in the same places: steps of the golden section leave no pattern.
    aside = (np.arange(len(table)) * 0.618034 % 1 - 0.5) * 0.6
    figure = go.Figure(
        go.Scatter(
            x=kept + aside,
            y=residual,
            mode="markers",
            marker={"color": BLUE, "size": 6, "opacity": 0.6},
            customdata=table[["layers kept", "removed"]],
            hovertemplate="without layers %{customdata[1]}<br>%{customdata[0]} layers kept<br>"
            f"off by %{{y:+{HOVER}}} nats a token<extra></extra>",
        )
    )
    for band in result.bands:
        if np.isfinite(band.factor):
            figure.add_shape(
                type="rect",
                x0=band.fewest - 0.45,
                x1=band.most + 0.45,
                y0=-band.half,
                y1=band.half,
                fillcolor=_BAND,
                line={"color": GREY, "width": 1},
                layer="below",
            )
    figure.update_layout(
        height=380,
        margin=MARGIN,
        xaxis={"title": "layers kept", "autorange": "reversed"},
        yaxis={"title": "measured minus predicted log score, nats a token", "zeroline": True},
    )
    means = residual.abs().groupby(kept).mean()
    alt = (
        f"Points: how far {held.name} is off, by number of layers kept. The mean absolute error is largest with "
        f"{means.idxmax()} kept ({significant(means.max())} nats a token) and least with {means.idxmin()} "
        f"({significant(means.min())})."
    )
    return Chart(figure, alt)


def learning_curve(curve: tuple[Step, ...]) -> Chart:
    """R2 and rank correlation on the same held-out coalitions, by how many were learnt from."""
    masks = [step.masks for step in curve]
    figure = go.Figure()
    for name, values, colour, symbol, dash in (
        ("R²", [step.r2 for step in curve], BLUE, "circle", "solid"),
        ("Spearman", [step.spearman for step in curve], VERMILION, "square", "dash"),
    ):
        figure.add_scatter(
            x=masks,
            y=values,
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 9},
            hovertemplate=f"{name} %{{y:{HOVER}}}<br>learnt from %{{x}} coalitions<extra></extra>",
        )
    lowest = min(min(step.r2, step.spearman) for step in curve)
    figure.update_layout(
        height=320,
        margin=MARGIN,
        legend=LEGEND,
        xaxis={"title": "coalitions learnt from", "rangemode": "tozero"},
        yaxis={"title": "on held-out coalitions", "range": [max(_LOWEST, min(0.0, lowest - 0.05)), 1.03]},
    )
    first, last = curve[0], curve[-1]
    alt = (
        f"Two lines: learnt from {first.masks} coalitions, R² is {significant(first.r2)} and the rank correlation "
        f"{significant(first.spearman)}; from {last.masks}, {significant(last.r2)} and {significant(last.spearman)}."
    )
    return Chart(figure, alt)


def share_bars(result: RunResult, found: Prediction) -> Chart:
    """What each removed layer takes from the predicted log score."""
    layers, values = (
        [result.model.players[share.layer] for share in found.shares],
        [share.value for share in found.shares],
    )
    figure = go.Figure(
        go.Bar(
            x=layers,
            y=values,
            marker_color=[BLUE if value >= 0 else VERMILION for value in values],
            hovertemplate=f"layer %{{x}}<br>share %{{y:+{HOVER}}} nats a token (predicted)<extra></extra>",
        )
    )
    figure.update_layout(
        height=300,
        margin=MARGIN,
        xaxis={"title": "removed layer", "type": "category"},
        yaxis={"title": "share of the log score, nats a token", "zeroline": True},
    )
    worst = min(found.shares, key=lambda share: share.value)
    alt = (
        f"Bars: shares of {len(layers)} removed layers in the predicted log score of "
        f"{significant(sum(values), '+')} nats a token. Layer {result.model.players[worst.layer]} takes most "
        f"({significant(worst.value, '+')})."
    )
    return Chart(figure, alt)
