"""One coalition and one layer of a run -> figures of the page Learn."""

import plotly.graph_objects as go

from app.charts import BLUE, GREY, MARGIN, Chart, tick
from core.masks import Masks, removed
from core.results import RunResult


def layer_strip(mask: Masks, score: float) -> Chart:
    """One coalition (layers,) as a strip: full squares are kept layers, open ones are dropped."""
    figure = go.Figure(
        go.Scatter(
            x=list(range(len(mask))),
            y=[0] * len(mask),
            mode="markers",
            marker={
                "symbol": ["square" if kept else "square-open" for kept in mask],
                "size": 20,
                "color": [BLUE if kept else GREY for kept in mask],
                "line": {"width": 1},
            },
            text=["kept" if kept else "dropped" for kept in mask],
            hovertemplate="layer %{x}: %{text}<extra></extra>",
        )
    )
    figure.update_layout(
        height=110,
        margin=MARGIN,
        xaxis={
            "title": "layer (full: kept, open: dropped)",
            "dtick": tick(len(mask)),
            "showgrid": False,
            "range": [-1, len(mask)],
        },
        yaxis={"visible": False, "range": [-1, 1]},
    )
    gone = removed(mask)
    return Chart(
        figure, f"Strip: {len(mask)} layers, {len(gone)} dropped ({', '.join(map(str, gone))}); score {score:.3f}."
    )


def contribution_by_size(result: RunResult, layer: int) -> Chart:
    """The contribution of one layer by number of layers kept."""
    items = [item for item in result.contributions if item.layer == layer and item.stratum is not None]
    items.sort(key=lambda item: item.stratum or 0)
    figure = go.Figure(
        go.Scatter(
            x=[item.stratum for item in items],
            y=[item.value for item in items],
            mode="lines+markers",
            line={"color": BLUE},
            marker={"size": 9},
            error_y={
                "array": [item.high - item.value for item in items],
                "arrayminus": [item.value - item.low for item in items],
                "color": GREY,
            },
            hovertemplate="%{x} layers kept: contribution %{y:.4f}<br>" + f"{result.protocol}<extra></extra>",
        )
    )
    figure.update_layout(
        height=280,
        margin=MARGIN,
        xaxis={"title": "layers kept", "tickvals": [item.stratum for item in items]},
        yaxis={"title": f"contribution of layer {layer}"},
    )
    fewest, most = items[0], items[-1]
    return Chart(
        figure,
        f"Line: layer {layer} contributes {most.value:.3f} to the score with {most.stratum} layers kept and "
        f"{fewest.value:.3f} with {fewest.stratum}.",
    )
