"""Ranks of layers, and one layer at each depth of pruning -> figures."""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.digits import HOVER, significant
from app.figures.charts import BLUE, GREY, MARGIN, VERMILION, Chart, layer_axis
from core.coalitions.measurements import Floats


def rank_figure(ranks: Floats, players: Sequence[str]) -> Chart:
    """The rank of each layer with its 90 % interval (n, 3): 1 is needed least."""
    shown, low, high = ranks.T
    layers = len(ranks)
    figure = go.Figure(
        go.Scatter(
            x=list(players),
            y=shown,
            mode="markers",
            marker={"color": BLUE, "size": 9},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": high - shown,
                "arrayminus": shown - low,
                "color": GREY,
                "thickness": 3,
                "width": 0,
            },
            customdata=ranks,
            hovertemplate="layer %{x}<br>rank %{y} (estimated)<br>90 % of draws: %{customdata[1]} to %{customdata[2]}"
            "<extra></extra>",
        )
    )
    figure.update_layout(
        height=340,
        margin=MARGIN,
        xaxis=layer_axis(players),
        yaxis={"title": "rank (1 is needed least)", "range": [0, layers + 1]},
        showlegend=False,
    )
    width = high - low
    most = int(width.argmax())
    alt = (
        f"Ranks of {layers} layers with 90 % intervals. The median interval is {sorted(width)[layers // 2]:.0f} ranks "
        f"wide; layer {players[most]} moves most, from {low[most]:.0f} to {high[most]:.0f}."
    )
    return Chart(figure, alt)


def depth_bars(layer: str, strata: Sequence[int], values: Sequence[float], unit: str) -> Chart:
    """One layer's contribution with each number of layers kept, the most first."""
    figure = go.Figure(
        go.Bar(
            x=[str(kept) for kept in strata],
            y=list(values),
            marker_color=[BLUE if value >= 0 else VERMILION for value in values],
            hovertemplate=f"%{{x}} layers kept<br>%{{y:{HOVER}}} (estimated), {unit}<extra></extra>",
        )
    )
    figure.update_layout(
        height=260,
        margin=MARGIN,
        xaxis={"title": "layers kept", "type": "category"},
        yaxis={"title": unit, "nticks": 4},
    )
    strongest = max(range(len(strata)), key=lambda index: abs(values[index]))
    alt = (
        f"Bars: contribution of layer {layer} at {len(strata)} numbers of layers kept. It matters most with "
        f"{strata[strongest]} kept ({significant(values[strongest])})."
    )
    return Chart(figure, alt)
