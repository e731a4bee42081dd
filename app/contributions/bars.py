"""Contributions -> figures."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from app.digits import HOVER, significant
from app.figures.charts import BLUE, GREY, MARGIN, ORANGE, VERMILION, Chart, layer_axis
from core.records.results import RunResult
from core.records.values import Contribution

_ROOM = 0.04  # above and below what is drawn, as a share of its height


def contribution_bars(result: RunResult) -> Chart:
    """The contributions that a run has found."""
    return value_bars(result.overall, result.model.players, "contribution to PPL_dense / PPL")


def value_bars(
    items: Sequence[Contribution], players: Sequence[str], unit: str, marked: int | None = None, height: int = 380
) -> Chart:
    """One bar for each layer in the order of the model, with its two intervals; an outline around the marked layer.

    Where one is marked, others are to be chosen: the whole column of a layer tells of it on hover, and takes a click.
    """
    told = {
        "customdata": [(players[item.layer], item.value, item.low, item.high, item.calibration) for item in items],
        "hovertemplate": f"layer %{{x}}<br>%{{customdata[1]:{HOVER}}} (estimated), {unit}<br>90 % interval "
        f"%{{customdata[2]:{HOVER}}} to %{{customdata[3]:{HOVER}}} over coalitions<br>"
        f"± %{{customdata[4]:{HOVER}}} over texts<extra></extra>",
    }
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
            **told,
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
    low, high = _ends(items)
    if marked is not None:
        figure.add_bar(
            x=names,
            y=[high - low] * len(items),
            base=low,
            width=1,
            marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}},
            **told,
        )
    figure.update_layout(
        height=height,
        margin=MARGIN,
        barmode="overlay",
        xaxis=layer_axis(players),
        yaxis={"title": unit, "zeroline": True, "range": [low, high], "nticks": 6},
        showlegend=False,
    )
    most, least = _extremes(items)
    alt = (
        f"Bars: contribution of each of {len(items)} layers with 90 % intervals. Layer {players[most.layer]} "
        f"contributes most ({significant(most.value)}), layer {players[least.layer]} least "
        f"({significant(least.value)})."
    )
    return Chart(figure, alt)


def _ends(items: Sequence[Contribution]) -> tuple[float, float]:
    """The ends of an axis that holds zero, and all values with their intervals."""
    ends = [end for item in items for end in (item.low, item.high, item.value)]
    ends += [item.value + sign * item.calibration for item in items for sign in (-1, 1)]
    known = [end for end in ends if math.isfinite(end)]
    low, high = min(0.0, *known), max(0.0, *known)
    room = _ROOM * (high - low or 1.0)
    return low - room * (low < 0), high + room


def _extremes(items: Sequence[Contribution]) -> tuple[Contribution, Contribution]:
    return max(items, key=lambda item: item.value), min(items, key=lambda item: item.value)
