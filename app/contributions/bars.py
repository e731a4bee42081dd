"""Contributions -> figures."""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.figures.charts import BLUE, GREY, MARGIN, ORANGE, VERMILION, Chart, layer_axis
from core.records.results import RunResult
from core.records.spec import TextProtocol
from core.records.values import Contribution


def contribution_bars(result: RunResult) -> Chart:
    """The contributions that a run has found."""
    return value_bars(result.overall, result.model.players, "contribution to PPL_dense / PPL", result.protocol)


def value_bars(
    items: Sequence[Contribution], players: Sequence[str], unit: str, protocol: TextProtocol, marked: int | None = None
) -> Chart:
    """One bar for each layer in the order of the model, with its two intervals; an outline around the marked layer."""
    names = [players[item.layer] for item in items]
    figure = go.Figure(
        go.Bar(
            x=names,
            y=[item.value for item in items],
            error_y={
                "type": "data",
                "array": [item.high - item.value for item in items],
                "arrayminus": [item.value - item.low for item in items],
                "thickness": 1.2,
                "width": 3,
                "color": GREY,
            },
            marker={
                "color": [BLUE if item.value >= 0 else VERMILION for item in items],
                "line": {"color": ORANGE, "width": [3 if item.layer == marked else 0 for item in items]},
            },
            unselected={"marker": {"opacity": 1}},
            customdata=[(players[item.layer], item.low, item.high, item.calibration) for item in items],
            hovertemplate=f"layer %{{x}}<br>%{{y:.4f}} (estimated), {unit}<br>90 % interval %{{customdata[1]:.4f}} to "
            "%{customdata[2]:.4f} over coalitions<br>± %{customdata[3]:.4f} over texts<br>"
            f"{protocol}<extra></extra>",
        )
    )
    figure.add_scatter(  # the other doubt, as a broad band behind each whisker
        x=names,
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
        xaxis=layer_axis(players),
        yaxis={"title": unit, "zeroline": True},
        showlegend=False,
    )
    most, least = _extremes(items)
    alt = (
        f"Bars: contribution of each of {len(items)} layers with 90 % intervals. Layer {players[most.layer]} "
        f"contributes most ({most.value:.3f}), layer {players[least.layer]} least ({least.value:.3f})."
    )
    return Chart(figure, alt)


def _extremes(items: Sequence[Contribution]) -> tuple[Contribution, Contribution]:
    return max(items, key=lambda item: item.value), min(items, key=lambda item: item.value)
