"""One layer of a run -> a figure of the page Learn."""

import pandas as pd
import plotly.graph_objects as go

from app.figures.charts import BLUE, GREY, MARGIN, Chart
from core.records.results import RunResult
from core.records.values import Contribution


def _by_size(result: RunResult, layer: int) -> list[Contribution]:
    items = [item for item in result.contributions if item.layer == layer and item.stratum is not None]
    return sorted(items, key=lambda item: item.stratum or 0)


def size_table(result: RunResult, layer: int) -> pd.DataFrame:
    """The contribution of one layer by number of layers kept, with its intervals."""
    rows = [(item.stratum, item.value, item.low, item.high) for item in _by_size(result, layer)]
    return pd.DataFrame(rows, columns=["layers kept", "contribution", "low (90 %)", "high (90 %)"])


def contribution_by_size(result: RunResult, layer: int) -> Chart:
    """The same as a line."""
    name, items = result.model.players[layer], _by_size(result, layer)
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
            hovertemplate="%{x} layers kept: contribution %{y:,.3r} (estimated)<extra></extra>",
        )
    )
    figure.update_layout(
        height=240,
        margin=MARGIN,
        xaxis={"title": "layers kept", "tickvals": [item.stratum for item in items]},
        yaxis={"title": f"contribution of layer {name}"},
    )
    fewest, most = items[0], items[-1]
    return Chart(
        figure,
        f"Line: layer {name} contributes {most.value:.3f} to the score with {most.stratum} layers kept and "
        f"{fewest.value:.3f} with {fewest.stratum}.",
    )
