"""The strongest interactions as a network -> figure: layers on a circle, and lines between pairs of them."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.digits import significant
from app.figures.charts import BLUE, GREY, MARGIN, VERMILION, Chart
from app.interactions.matrix import bounds_of
from app.words import Players, named
from core.records.values import PairInteraction

_WIDEST = 7.0
_EVERY = 5  # layers, of which one is named though nothing joins it


def network_figure(pairs: Sequence[PairInteraction], players: Players, unit: str) -> Chart:
    """Synergy is blue and solid, redundancy vermilion and dashed; the wider, the stronger.

    Args:
        pairs: decided ones, the strongest first, one or more.
        players: all of them, clockwise from the top.
        unit: of an interaction.
    """
    layers = len(players)
    angle = 2 * np.pi * np.arange(layers) / layers
    x, y = np.sin(angle), np.cos(angle)
    figure = go.Figure()
    for pair in reversed(pairs):  # the strongest on top
        ends = [pair.first, pair.second]
        synergy = pair.meaning == "synergy"
        figure.add_scatter(
            x=x[ends],
            y=y[ends],
            mode="lines",
            line={
                "color": BLUE if synergy else VERMILION,
                "dash": "solid" if synergy else "dash",
                "width": max(1.0, _WIDEST * abs(pair.value) / abs(pairs[0].value)),
            },
            hoverinfo="skip",
        )
    figure.add_scatter(  # a line shows nothing on hover between its ends
        x=[(x[pair.first] + x[pair.second]) / 2 for pair in pairs],
        y=[(y[pair.first] + y[pair.second]) / 2 for pair in pairs],
        mode="markers",
        marker={"size": 14, "opacity": 0},
        customdata=[
            (
                players[pair.first],
                players[pair.second],
                significant(pair.value, "+"),
                bounds_of(pair),
                pair.meaning,
            )
            for pair in pairs
        ],
        hovertemplate="layers %{customdata[0]} and %{customdata[1]}<br>%{customdata[4]} %{customdata[2]} "
        f"(estimated), {unit}<br>90 % interval %{{customdata[3]}}<extra></extra>",
    )
    inside = {end for pair in pairs for end in (pair.first, pair.second)}
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers+text",
        marker={"size": 12, "color": [BLUE if layer in inside else GREY for layer in range(layers)]},
        text=[name if layer in inside or layer % _EVERY == 0 else "" for layer, name in enumerate(players)],
        textposition=["top center" if height >= 0 else "bottom center" for height in y],
        hoverinfo="skip",
    )
    hidden = {"visible": False, "range": [-1.2, 1.2]}
    figure.update_layout(
        height=460, margin=MARGIN, showlegend=False, xaxis=hidden, yaxis={**hidden, "scaleanchor": "x"}
    )
    redundant = sum(pair.meaning == "redundancy" for pair in pairs)
    alt = (
        f"Network: the {len(pairs)} strongest decided interactions, {redundant} of them redundancies (dashed). The "
        f"strongest joins layers {named(players, (pairs[0].first, pairs[0].second), ' and ')} "
        f"({significant(pairs[0].value, '+')} {unit})."
    )
    return Chart(figure, alt)
