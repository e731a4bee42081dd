"""Removals of layers -> strips: a square for each layer, a cross where it is dropped."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.figures.charts import BLUE, MARGIN, VERMILION, Chart, layer_axis
from app.words import Players, named


def strip_figure(removals: Mapping[str, Sequence[int]], players: Players) -> Chart:
    """One strip for each named removal, the first on top."""
    figure, layers = go.Figure(), len(players)
    for name, removed in removals.items():
        gone = [layer in removed for layer in range(layers)]
        figure.add_scatter(
            x=list(players),
            y=[name] * layers,
            mode="markers",
            marker={
                "symbol": ["x-thin" if out else "square" for out in gone],
                "size": 14,
                "color": [VERMILION if out else BLUE for out in gone],
                "line": {"width": [3 if out else 0 for out in gone], "color": VERMILION},
            },
            customdata=["dropped" if out else "kept" for out in gone],
            hovertemplate="layer %{x}: %{customdata}<extra></extra>",
        )
    figure.update_layout(
        height=90 + 40 * len(removals),
        margin=MARGIN,
        showlegend=False,
        xaxis={**layer_axis(players), "range": [-0.7, layers - 0.3], "showgrid": False},
        yaxis={"autorange": "reversed", "type": "category", "showgrid": False},
    )
    parts = [f"{name}: without layers {named(players, removed)}" for name, removed in removals.items()]
    return Chart(figure, f"Strips of {layers} layers. {'; '.join(parts)}.")
