"""Values estimated from sampled orders, and from a surrogate -> figures of the page Learn."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.charts import GREEN, GREY, LEGEND, MARGIN, SKY, VERMILION, Chart, layer_axis
from core.attribution.permutations import errors
from core.coalitions.measurements import Floats


def estimate_bars(found: Floats, half: Floats, right: Floats, players: Sequence[str]) -> Chart:
    """The estimate of each player with its 90 % interval, and the exact value."""
    figure = go.Figure(
        go.Bar(
            x=list(players),
            y=found,
            name="estimated, with 90 % interval",
            marker_color=SKY,
            error_y={"array": half, "color": GREY, "thickness": 2},
            customdata=half,
            hovertemplate="layer %{x}: estimated %{y:,.3r} ± %{customdata:,.3r}<extra></extra>",
        )
    )
    figure.add_scatter(
        x=list(players),
        y=right,
        name="exact",
        mode="markers",
        marker={"symbol": "diamond", "size": 9, "color": VERMILION},
        hovertemplate="layer %{x}: exact %{y:,.3r}<extra></extra>",
    )
    figure.update_layout(
        height=330,
        margin=MARGIN,
        legend=LEGEND,
        xaxis={**layer_axis(players), "title": "layer", "range": [-0.7, len(players) - 0.3]},
        yaxis={"title": "Shapley value, nats a token"},
    )
    inside = int((np.abs(found - right) <= half).sum())
    return Chart(
        figure,
        f"Bars: estimated Shapley values of {len(players)} layers; {inside} of {len(players)} 90 % intervals hold the "
        "exact value.",
    )


def error_table(gains: Floats, repeats: Floats, right: Floats) -> pd.DataFrame:
    """The relative error after each order of a sample, and between what nine of ten other samples lie."""
    shown = errors(gains, right)
    low, high = np.quantile(errors(repeats, right), (0.05, 0.95), axis=0)
    return pd.DataFrame(
        {"orders": np.arange(1, len(shown) + 1), "error": shown, "low (90 %)": low, "high (90 %)": high}
    )


def error_curve(gains: Floats, repeats: Floats, right: Floats, orders: int) -> Chart:
    """The error of the estimate after each order, on logarithmic axes, and where nine of ten other samples lie.

    Args:
        gains: marginal contributions of the sample shown, (orders, n).
        repeats: those of other samples, (samples, orders, n).
        right: the exact values, (n,).
        orders: how many the reader has chosen.
    """
    count, shown, low, high = error_table(gains, repeats, right).to_numpy().T
    figure = go.Figure()
    figure.add_scatter(x=count, y=high, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=count,
        y=low,
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor="rgba(86,180,233,0.3)",
        name="nine of ten other samples",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=count,
        y=shown,
        mode="lines",
        line={"color": VERMILION, "width": 2},
        name="this sample",
        hovertemplate="%{x} orders: error %{y:.1%}<extra></extra>",
    )
    figure.add_scatter(
        x=count,
        y=np.sqrt(low[0] * high[0] / count),
        mode="lines",
        line={"color": GREY, "dash": "dot"},
        name="as 1 / √orders",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[orders],
        y=[shown[orders - 1]],
        mode="markers",
        showlegend=False,
        marker={"symbol": "diamond", "size": 14, "color": VERMILION},
        hoverinfo="skip",
    )
    figure.update_layout(
        height=330,
        margin=MARGIN,
        legend={"x": 0.02, "y": 0.02},  # where no curve comes
        xaxis={"title": "orders sampled", "type": "log", "dtick": 1},
        yaxis={"title": "relative error", "type": "log", "tickformat": ".0%", "dtick": 1},
    )
    return Chart(
        figure,
        f"Line: the error falls with the square root of the number of orders, to {shown[orders - 1]:.1%} after "
        f"{orders}; nine of ten other samples are then between {low[orders - 1]:.1%} and {high[orders - 1]:.1%}.",
    )


def learning_lines(rows: Sequence[tuple[int, float, float]]) -> Chart:
    """The error of Shapley values by evaluations: from sampled orders, and from a surrogate."""
    count, sampled, fitted = zip(*rows, strict=True)
    figure = go.Figure()
    for name, error, colour, symbol, dash in (
        ("sampled orders", sampled, VERMILION, "square", "dash"),
        ("surrogate", fitted, GREEN, "circle", "solid"),
    ):
        figure.add_scatter(
            x=count,
            y=error,
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 9},
            hovertemplate="%{x} evaluations: %{y:.1%}<extra>" + name + "</extra>",
        )
    figure.update_layout(
        height=330,
        margin=MARGIN,
        legend=LEGEND,
        xaxis={"title": "evaluations"},
        yaxis={"title": "relative error of Shapley values", "tickformat": ".0%", "rangemode": "tozero"},
    )
    return Chart(
        figure,
        f"Lines: with {count[-1]} evaluations, the error of Shapley values is {sampled[-1]:.1%} by sampled orders "
        f"and {fitted[-1]:.1%} by a surrogate.",
    )
