"""Interactions -> figures."""

import plotly.graph_objects as go

from app.charts import DIVERGING, MARGIN, Chart, tick
from core.results import PairInteractions, RunResult


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
            colorscale=DIVERGING,
            colorbar={"title": {"text": "nats"}, "thickness": 12},
            hoverongaps=False,
            hovertemplate="layers %{y} and %{x}<br>interaction %{z:+.3f}<br>90 % interval %{customdata}<br>"
            f"{result.protocol}<extra></extra>",
        )
    )
    figure.update_layout(
        height=640,
        margin=MARGIN,
        xaxis={"title": "layer", "dtick": tick(layers), "constrain": "domain"},
        yaxis={"title": "layer", "dtick": tick(layers), "autorange": "reversed", "scaleanchor": "x"},
    )
    alt = (
        f"Matrix: interaction of each pair of {layers} layers. The strongest is that of layers {strongest.first} and "
        f"{strongest.second} ({strongest.value:+.3f} nats a token, {strongest.meaning})."
    )
    return Chart(figure, alt)
