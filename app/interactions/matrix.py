"""The matrix of interactions -> figure."""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.figures.charts import DIVERGING, MARGIN, ORANGE, Chart, tick
from app.words import Players, named
from core.records.spec import TextProtocol
from core.records.values import PairInteraction, PairInteractions


def pair_name(pair: PairInteraction, players: Players) -> str:
    """A pair as the address has it: 24-27."""
    return named(players, (pair.first, pair.second), "-")


def interaction_matrix(
    found: PairInteractions,
    order: Sequence[int],
    players: Players,
    unit: str,
    protocol: TextProtocol,
    marked: PairInteraction,
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
            interval = f"{pair.low:+.3f} to {pair.high:+.3f}, {pair.meaning}"
            names = pair_name(pair, players), named(players, (row, column), " and ")
            cells.append((place[column], place[row], (*names, pair.value, interval)))
    strongest = found.pairs[0]
    bound = abs(strongest.value) or 1.0
    figure = go.Figure(
        go.Heatmap(
            z=values,
            zmin=-bound,
            zmax=bound,
            colorscale=DIVERGING,
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
        marker={"symbol": "square", "size": 14, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        hovertemplate="layers %{customdata[1]}<br>interaction %{customdata[2]:+.3f} (estimated), "
        f"{unit}<br>90 % interval %{{customdata[3]}}<br>{protocol}<extra></extra>",
    )
    ends = place[marked.first], place[marked.second]
    figure.add_scatter(
        x=ends,
        y=ends[::-1],
        mode="markers",
        marker={"symbol": "square-open", "size": 16, "color": ORANGE, "line": {"width": 3}},
        unselected={"marker": {"opacity": 1}},
        hoverinfo="skip",
    )
    step = 1 if list(order) != sorted(order) else tick(layers)  # out of order, each name is needed
    ticks = {"tickvals": list(range(0, layers, step)), "ticktext": [players[layer] for layer in order[::step]]}
    figure.update_layout(
        height=640,
        margin=MARGIN,
        showlegend=False,
        xaxis={"title": "layer", "constrain": "domain", "showgrid": False, **ticks},
        yaxis={"title": "layer", "autorange": "reversed", "scaleanchor": "x", "showgrid": False, **ticks},
    )
    alt = (
        f"Matrix: interaction of each pair of {layers} layers. The strongest is that of layers "
        f"{named(players, (strongest.first, strongest.second), ' and ')} ({strongest.value:+.3f} {unit}, "
        f"{strongest.meaning})."
    )
    return Chart(figure, alt)
