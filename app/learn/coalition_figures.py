"""Many coalitions at once -> figures of the page Learn: predicted against true, and by number of layers kept."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots
from sklearn.metrics import r2_score

from app.figures.charts import BLUE, GREY, LEGEND, MARGIN, ORANGE, SKY, VERMILION, Chart, tick
from core.coalitions.measurements import Floats


def points_table(predicted: Floats, true: Floats, seen: NDArray[np.bool_]) -> pd.DataFrame:
    """The points of `predicted_against_true`."""
    return pd.DataFrame({"log score": true, "predicted": predicted, "seen by the fit": seen})


def predicted_against_true(predicted: Floats, true: Floats, seen: NDArray[np.bool_], truth: str) -> Chart:
    """Coalitions as points: seen by the fit or not. On the diagonal, a prediction is right."""
    figure = go.Figure()
    for name, some, colour, symbol in (("not seen", ~seen, BLUE, "circle"), ("seen by the fit", seen, ORANGE, "x")):
        figure.add_scatter(
            x=true[some],
            y=predicted[some],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 7, "opacity": 0.7},
            hovertemplate=truth + " %{x:,.3r}<br>predicted %{y:,.3r}<extra>" + name + "</extra>",
        )
    ends = [float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))]
    figure.add_scatter(x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dot"}, name="right")
    figure.update_layout(
        height=330,
        margin=MARGIN,
        legend=LEGEND,
        xaxis={"title": f"{truth} log score, nats a token"},
        yaxis={"title": "predicted log score"},
    )
    quality = r2_score(true[~seen], predicted[~seen])
    return Chart(
        figure,
        f"Scatter: predicted against {truth} log score; on {int((~seen).sum())} coalitions not seen, R² is "
        f"{quality:.2f}.",
    )


def scores_by_size(kept: Floats, scores: Floats, uniform: Floats, drawn: Floats, origin: str) -> Chart:
    """Above, which sizes are drawn; below, the scores of coalitions by number of layers kept, and their median.

    Args:
        kept: layers kept in each coalition, (coalitions,).
        scores: of each coalition, (coalitions,).
        uniform: the share of each size 0..n among all coalitions, (n + 1,).
        drawn: the share of each size in a sample, (n + 1,).
        origin: of the scores: made up, or measured.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.3, 0.7], vertical_spacing=0.06)
    for name, share, colour, pattern in (("all coalitions", uniform, SKY, ""), ("those drawn", drawn, ORANGE, "/")):
        figure.add_bar(
            x=np.arange(len(share)),
            y=share,
            name=name,
            row=1,
            col=1,
            marker={"color": colour, "pattern": {"shape": pattern}},
            hovertemplate="%{x} kept: %{y:.3~p} of coalitions<extra>" + name + "</extra>",
        )
    # Beside each other, not on top of each other.
    aside = np.random.default_rng(0).uniform(-0.3, 0.3, len(kept))
    figure.add_scatter(
        x=kept + aside,
        y=scores,
        mode="markers",
        name=f"one coalition ({origin})",
        row=2,
        col=1,
        customdata=kept,
        marker={"color": BLUE, "size": 5, "opacity": 0.7},
        hovertemplate="%{customdata} kept: score %{y:,.3r}<extra></extra>",
    )
    there = np.unique(kept)
    medians = np.array([np.median(scores[kept == size]) for size in there])
    figure.add_scatter(
        x=there,
        y=medians,
        mode="lines+markers",
        name="median",
        row=2,
        col=1,
        line={"color": VERMILION, "width": 2},
        marker={"symbol": "diamond", "size": 9},
        hovertemplate="%{x} kept: median score %{y:,.3r}<extra></extra>",
    )
    players = len(uniform) - 1
    figure.update_yaxes(title="share", tickformat=".0%", row=1, col=1)
    figure.update_yaxes(title="score (1: nothing is lost)", row=2, col=1)
    figure.update_xaxes(dtick=tick(players), range=[-0.5, players + 0.5])
    figure.update_xaxes(title="layers kept", row=2, col=1)
    figure.update_layout(height=360, margin=MARGIN, legend=LEGEND)
    return Chart(
        figure,
        f"Bars above: most coalitions keep about {int(uniform.argmax())} of {players} layers. Points below: "
        f"the median score falls from {medians[-1]:.2f} with {int(there[-1])} layers kept to {medians[0]:.2f} with "
        f"{int(there[0])}.",
    )
