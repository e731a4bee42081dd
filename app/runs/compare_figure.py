"""Two runs -> a figure."""

import plotly.graph_objects as go
from scipy.stats import spearmanr

from app.figures.charts import BLUE, GREY, MARGIN, ORANGE, Chart, layer_axis
from core.records.results import RunResult


def rank_correlation(first: RunResult, second: RunResult) -> float:
    """Spearman's, of the contributions of two runs of the same players."""
    ours, theirs = ([item.value for item in result.overall] for result in (first, second))
    return float(spearmanr(ours, theirs).statistic)


def comparison_dumbbells(first: RunResult, second: RunResult) -> Chart:
    """Two marks for each layer, a circle and a diamond, and the line between them; runs of the same players."""
    ours, theirs = first.overall, second.overall
    layers = first.model.players
    figure = go.Figure()
    figure.add_scatter(
        x=[layer for layer in layers for _ in range(3)],
        y=[y for mine, other in zip(ours, theirs, strict=True) for y in (mine.value, other.value, None)],
        mode="lines",
        line={"color": GREY, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )
    for result, colour, symbol in ((first, BLUE, "circle"), (second, ORANGE, "diamond")):
        figure.add_scatter(
            x=list(layers),
            y=[item.value for item in result.overall],
            mode="markers",
            name=f"run {result.run}",
            marker={"color": colour, "symbol": symbol, "size": 10},
            customdata=[(item.low, item.high) for item in result.overall],
            hovertemplate=f"run {result.run}<br>layer %{{x}}<br>contribution %{{y:.4f}} (estimated)<br>90 % interval "
            f"%{{customdata[0]:.4f}} to %{{customdata[1]:.4f}} over coalitions<br>{result.protocol}<extra></extra>",
        )
    figure.update_layout(
        height=400,
        margin={**MARGIN, "t": 30},
        xaxis=layer_axis(layers),
        yaxis={"title": "contribution to PPL_dense / PPL", "zeroline": True},
        legend={"orientation": "h", "y": 1.1, "x": 0},
    )
    gap, layer = max((abs(mine.value - other.value), mine.layer) for mine, other in zip(ours, theirs, strict=True))
    alt = (
        f"Dumbbells: contribution of each of {len(layers)} layers in run {first.run} and in run {second.run}. The rank "
        f"correlation is {rank_correlation(first, second):.2f}; they differ most on layer {layers[layer]} "
        f"(by {gap:.3f})."
    )
    return Chart(figure, alt)
