"""Contributions -> figures."""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.charts import BLUE, DIVERGING, GREY, MARGIN, VERMILION, Chart, tick
from core.results import Contribution, RunResult


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
                "color": GREY,
            },
            marker_color=[BLUE if item.value >= 0 else VERMILION for item in items],
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
        marker={"size": 1, "color": GREY},
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
        margin=MARGIN,
        xaxis={"title": "layer (0 is next to the embedding)", "dtick": tick(len(items))},
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
            colorscale=DIVERGING,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "contribution"}, "thickness": 12},
            hovertemplate="layer %{x}<br>%{y} layers kept<br>contribution %{z:.4f}<br>"
            f"{result.protocol}<extra></extra>",
        )
    )
    figure.update_layout(
        height=120 + 44 * len(labels),
        margin=MARGIN,
        xaxis={"title": "layer (0 is next to the embedding)", "dtick": tick(layers)},
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


def _extremes(items: Sequence[Contribution]) -> tuple[Contribution, Contribution]:
    return max(items, key=lambda item: item.value), min(items, key=lambda item: item.value)
