"""The matrix of interactions -> figure."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.digits import significant
from app.figures.charts import MARGIN, ORANGE, Chart, centred, tick
from app.words import Players, named
from core.records.values import PairInteraction, PairInteractions

# With the controls above it, it ends on the first screen of a laptop; so many pixels of it are cells.
_HEIGHT, _CELLS = 470, 380


def pair_name(pair: PairInteraction, players: Players) -> str:
    """A pair as the address has it: 24-27."""
    return named(players, (pair.first, pair.second), "-")


def bounds_of(pair: PairInteraction) -> str:
    """The 90 % interval of an interaction in words."""
    return f"{significant(pair.low, '+')} to {significant(pair.high, '+')}"


def interaction_matrix(
    found: PairInteractions, order: Sequence[int], players: Players, unit: str, marked: PairInteraction
) -> Chart:
    """Layers by layers in an order. Centred at zero; hover shows a pair's interval; an outline marks one pair.

    A heatmap tells nobody of clicks, so that a marker that cannot be seen lies on each cell, with the pair's name.
    """
    layers = len(order)
    place = {layer: index for index, layer in enumerate(order)}
    values: list[list[float | None]] = [[None] * layers for _ in range(layers)]
    cells = []
    for pair in found.pairs:
        for row, column in ((pair.first, pair.second), (pair.second, pair.first)):
            values[place[row]][place[column]] = pair.value
            names = pair_name(pair, players), named(players, (row, column), " and ")
            told = significant(pair.value, "+"), f"{bounds_of(pair)}, {pair.meaning}"
            cells.append((place[column], place[row], (*names, *told)))
    strongest = found.pairs[0]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            **centred(np.array([pair.value for pair in found.pairs])),
            colorbar={"title": {"text": unit}, "thickness": 12},
            hoverongaps=False,
            hoverinfo="skip",
        )
    )
    x, y, data = zip(*cells, strict=True)
    figure.add_scatter(
        x=x,
        y=y,
        customdata=data,
        mode="markers",
        marker={"symbol": "square", "size": _CELLS / layers, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        hovertemplate="layers %{customdata[1]}<br>interaction %{customdata[2]} (estimated), "
        f"{unit}<br>90 % interval %{{customdata[3]}}<extra></extra>",
    )
    ends = place[marked.first], place[marked.second]
    figure.add_scatter(
        x=ends,
        y=ends[::-1],
        mode="markers",
        marker={"symbol": "square-open", "size": _CELLS / layers + 2, "color": ORANGE, "line": {"width": 3}},
        unselected={"marker": {"opacity": 1}},
        hoverinfo="skip",
    )
    step = 1 if list(order) != sorted(order) else 2 * tick(layers)  # out of order, each name is needed
    ticks = {"tickvals": list(range(0, layers, step)), "ticktext": [players[layer] for layer in order[::step]]}
    # Square, and against the scale, whatever room there is beside it.
    axis = {"title": "layer", "constrain": "domain", "showgrid": False, "zeroline": False, **ticks}
    figure.update_layout(
        height=_HEIGHT,
        margin=MARGIN,
        showlegend=False,
        xaxis={**axis, "constraintoward": "right", "scaleanchor": "y", "range": [-0.5, layers - 0.5]},
        yaxis={**axis, "constraintoward": "top", "range": [layers - 0.5, -0.5]},
    )
    alt = (
        f"Matrix: interaction of each pair of {layers} layers. The strongest is that of layers "
        f"{named(players, (strongest.first, strongest.second), ' and ')} ({significant(strongest.value, '+')} {unit}, "
        f"{strongest.meaning})."
    )
    return Chart(figure, alt)
