"""How far a surrogate can be trusted -> figures."""

import numpy as np
import plotly.graph_objects as go

from app.figures.charts import BLUE, GREY, MARGIN, VERMILION, Chart
from app.surrogate.fit_tables import held_out_table
from core.records.diagnostics import Diagnostics, HeldOut, Step
from core.records.fits import Prediction
from core.records.results import RunResult

_BAND = "rgba(230,159,0,0.28)"
# Below this R2 a curve says no more than that nothing has been learnt yet.
_LOWEST = -0.5


def predicted_against_measured(result: RunResult, found: Diagnostics, held: HeldOut) -> Chart:
    """One point for each coalition that one kind of surrogate has not seen, on logarithmic axes."""
    table = held_out_table(result, found, held)
    ends = table[["measured perplexity", "predicted perplexity"]].stack().agg(["min", "max"])
    figure = go.Figure(go.Scatter(x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dash"}, hoverinfo="skip"))
    figure.add_scatter(
        x=table["measured perplexity"],
        y=table["predicted perplexity"],
        mode="markers",
        marker={"color": BLUE, "size": 7, "opacity": 0.6},
        customdata=table[["removed", "layers kept"]],
        hovertemplate="without layers %{customdata[0]}<br>%{customdata[1]} layers kept<br>measured %{x:,.1f}<br>"
        f"predicted, held out %{{y:,.1f}}<br>{result.protocol}<extra></extra>",
    )
    axis = {"type": "log", "exponentformat": "power", "dtick": 1}
    figure.update_layout(
        height=440,
        margin=MARGIN,
        showlegend=False,
        xaxis={"title": "measured perplexity", **axis},
        yaxis={"title": "predicted perplexity (held out)", **axis},
    )
    off = np.exp(table["residual, nats a token"].abs())
    alt = (
        f"Scatter: perplexity of {len(table)} coalitions as measured and as predicted by {held.name}, which had not "
        f"seen them. Half of the predictions are within a factor of {off.median():.2f}, nine tenths within "
        f"{off.quantile(0.9):.2f}."
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
            f"off by %{{y:+.3f}} nats a token<br>{result.protocol}<extra></extra>",
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
        f"{means.idxmax()} kept ({means.max():.3f} nats a token) and least with {means.idxmin()} ({means.min():.3f})."
    )
    return Chart(figure, alt)


def learning_curve(result: RunResult, curve: tuple[Step, ...]) -> Chart:
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
            hovertemplate=f"{name} %{{y:.3f}}<br>learnt from %{{x}} coalitions<br>{result.protocol}<extra></extra>",
        )
    lowest = min(min(step.r2, step.spearman) for step in curve)
    figure.update_layout(
        height=320,
        margin=MARGIN,
        legend={"orientation": "h", "y": 1.12},
        xaxis={"title": "coalitions learnt from", "rangemode": "tozero"},
        yaxis={"title": "on held-out coalitions", "range": [max(_LOWEST, min(0.0, lowest - 0.05)), 1.03]},
    )
    first, last = curve[0], curve[-1]
    alt = (
        f"Two lines: learnt from {first.masks} coalitions, R² is {first.r2:.3f} and the rank correlation "
        f"{first.spearman:.3f}; from {last.masks}, {last.r2:.3f} and {last.spearman:.3f}."
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
            hovertemplate=f"layer %{{x}}<br>share %{{y:+.4f}} nats a token (predicted)<br>{result.protocol}"
            "<extra></extra>",
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
        f"Bars: shares of {len(layers)} removed layers in the predicted log score of {sum(values):+.3f} nats a token. "
        f"Layer {result.model.players[worst.layer]} takes most ({worst.value:+.3f})."
    )
    return Chart(figure, alt)
