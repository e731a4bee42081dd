"""Results -> Plotly figures, each with the sentence that a screen reader gives: pure functions.

Colours: Okabe and Ito's blue and vermilion, and a zero-centred scale between them, which every kind of colour vision
tells apart. Text and paper take the page's theme.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from core.results import Contribution, PairInteractions, RunResult

_BLUE, _VERMILION = "#0072B2", "#D55E00"
_DIVERGING = [[0.0, _VERMILION], [0.5, "#F7F7F7"], [1.0, _BLUE]]


@dataclass(frozen=True)
class Chart:
    """A figure and its description in words."""

    figure: go.Figure
    alt: str


def contribution_bars(result: RunResult) -> Chart:
    """One bar for each layer in the order of the model, with its interval."""
    items = result.overall
    figure = go.Figure(
        go.Bar(
            x=[item.layer for item in items],
            y=[item.value for item in items],
            error_y={
                "type": "data",
                "array": [item.high - item.value for item in items],
                "arrayminus": [item.value - item.low for item in items],
                "thickness": 1.2,
                "width": 3,
                "color": "#888888",
            },
            marker_color=[_BLUE if item.value >= 0 else _VERMILION for item in items],
            customdata=[(item.low, item.high, item.calibration) for item in items],
            hovertemplate="layer %{x}<br>contribution %{y:.4f}<br>90 % interval %{customdata[0]:.4f} to "
            "%{customdata[1]:.4f} over coalitions<br>± %{customdata[2]:.4f} over texts<br>"
            f"{result.protocol}<extra></extra>",
        )
    )
    figure.add_scatter(  # the other doubt, as a broad band behind each whisker
        x=[item.layer for item in items],
        y=[item.value for item in items],
        mode="markers",
        marker={"size": 1, "color": "#888888"},
        error_y={
            "array": [item.calibration for item in items],
            "thickness": 9,
            "width": 0,
            "color": "rgba(230,159,0,0.6)",
        },
        hoverinfo="skip",
    )
    figure.update_layout(
        height=380,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": "layer (0 is next to the embedding)", "dtick": _tick(len(items))},
        yaxis={"title": "contribution to PPL_dense / PPL", "zeroline": True},
        showlegend=False,
    )
    most, least = _extremes(items)
    alt = (
        f"Bars: contribution of each of {len(items)} layers with 90 % intervals. Layer {most.layer} contributes most "
        f"({most.value:.3f}), layer {least.layer} least ({least.value:.3f})."
    )
    return Chart(figure, alt)


def contribution_heatmap(result: RunResult) -> Chart:
    """Layers by strata: how the contribution depends on how many other layers are kept. Centred at zero."""
    by_stratum = {
        stratum: [item.value for item in result.contributions if item.stratum == stratum] for stratum in result.strata
    }
    layers = result.model.layers
    labels = [f"{stratum} of {layers}" for stratum in result.strata]
    values = list(by_stratum.values())
    bound = max(abs(value) for row in values for value in row) or 1.0
    figure = go.Figure(
        go.Heatmap(
            x=list(range(layers)),
            y=labels,
            z=values,
            zmin=-bound,
            zmax=bound,
            colorscale=_DIVERGING,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "contribution"}, "thickness": 12},
            hovertemplate="layer %{x}<br>%{y} layers kept<br>contribution %{z:.4f}<br>"
            f"{result.protocol}<extra></extra>",
        )
    )
    figure.update_layout(
        height=120 + 44 * len(labels),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": "layer (0 is next to the embedding)", "dtick": _tick(layers)},
        yaxis={"title": "layers kept", "autorange": "reversed", "type": "category"},
    )
    strongest = max(
        (item for item in result.contributions if item.stratum is not None), key=lambda item: abs(item.value)
    )
    alt = (
        f"Heatmap: contribution of {layers} layers in {len(labels)} strata. The strongest is layer {strongest.layer} "
        f"with {strongest.stratum} layers kept ({strongest.value:.3f})."
    )
    return Chart(figure, alt)


def interaction_matrix(result: RunResult, found: PairInteractions) -> Chart:
    """Layers by layers, both in the order of the model. Centred at zero; a pair's interval shows on hover."""
    layers = result.model.layers
    values: list[list[float | None]] = [[None] * layers for _ in range(layers)]
    hover = [[""] * layers for _ in range(layers)]
    for pair in found.pairs:
        for row, column in ((pair.first, pair.second), (pair.second, pair.first)):
            values[row][column] = pair.value
            hover[row][column] = f"{pair.low:+.3f} to {pair.high:+.3f}, {pair.meaning}"
    strongest = found.pairs[0]
    bound = abs(strongest.value) or 1.0
    figure = go.Figure(
        go.Heatmap(
            z=values,
            customdata=hover,
            zmin=-bound,
            zmax=bound,
            colorscale=_DIVERGING,
            colorbar={"title": {"text": "nats"}, "thickness": 12},
            hoverongaps=False,
            hovertemplate="layers %{y} and %{x}<br>interaction %{z:+.3f}<br>90 % interval %{customdata}<br>"
            f"{result.protocol}<extra></extra>",
        )
    )
    figure.update_layout(
        height=640,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": "layer", "dtick": _tick(layers), "constrain": "domain"},
        yaxis={"title": "layer", "dtick": _tick(layers), "autorange": "reversed", "scaleanchor": "x"},
    )
    alt = (
        f"Matrix: interaction of each pair of {layers} layers. The strongest is that of layers {strongest.first} and "
        f"{strongest.second} ({strongest.value:+.3f} nats a token, {strongest.meaning})."
    )
    return Chart(figure, alt)


def _extremes(items: Sequence[Contribution]) -> tuple[Contribution, Contribution]:
    return max(items, key=lambda item: item.value), min(items, key=lambda item: item.value)


def _tick(layers: int) -> int:
    return max(1, -(-layers // 16))
