"""Several runs on one chart: their contributions, what removing layers costs each, and how alike they rank."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.comparing.rank_agreement import are_layered_alike, depths
from app.digits import HOVER
from app.figures.cells import DARKEST, written_cells
from app.figures.charts import (
    BLUE,
    GREEN,
    GREY,
    LEGEND,
    MARGIN,
    NEUTRAL,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Chart,
    layer_axis,
    mixed,
)
from app.preview.steps import Steps
from app.words import named
from core.coalitions.measurements import Floats
from core.records.results import RunResult

# Colour, symbol and dash change at different paces, so that many runs are told apart, without colour too.
_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY)
_SYMBOLS = ("circle", "diamond", "square", "x", "triangle-up", "star")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_HEIGHT = 340
_WORST = 100.0  # times the whole model's perplexity: what is above it is off the chart
_RATIOS = [digit * 10.0**power for power in range(3) for digit in (1, 1.2, 1.5, 2, 3, 5)]


def contributions_overlaid(results: Mapping[str, RunResult]) -> Chart:
    """The contributions of runs by what they are called: by layer, or by relative depth where their layers differ."""
    figure, alike = go.Figure(), are_layered_alike(tuple(results.values()))
    for number, (name, result) in enumerate(results.items()):
        players, items = result.model.players, result.overall
        figure.add_scatter(
            x=list(players) if alike else depths(len(players)),
            y=[item.value for item in items],
            name=name,
            error_y={
                "array": [item.high - item.value for item in items],
                "arrayminus": [item.value - item.low for item in items],
                "thickness": 1,
                "width": 0,
            },
            customdata=[(player, item.low, item.high) for player, item in zip(players, items, strict=True)],
            hovertemplate=f"layer %{{customdata[0]}}<br>contribution %{{y:{HOVER}}} (estimated)<br>90 % interval "
            f"%{{customdata[1]:{HOVER}}} to %{{customdata[2]:{HOVER}}} over coalitions"
            "<extra>%{fullData.name}</extra>",
            **_look(number),
        )
    along = "layer" if alike else "relative depth"
    figure.update_layout(
        height=_HEIGHT,
        margin=MARGIN,
        legend=LEGEND,
        xaxis=layer_axis(next(iter(results.values())).model.players)
        if alike
        else {"title": "relative depth (0 is next to the embedding)", "range": [-0.02, 1.02]},
        yaxis={"title": "contribution to PPL_dense / PPL", "zeroline": True},
    )
    most = "; ".join(f"{name}: layer {_largest(result)}" for name, result in results.items())
    return Chart(
        figure, f"Lines: contributions of {len(results)} runs by {along}, with 90 % intervals. Largest: {most}."
    )


def curves_overlaid(results: Mapping[str, RunResult], plans: Mapping[str, Steps]) -> Chart:
    """What the best plans of runs cost: perplexity over the whole model's by the share of layers removed.

    Args:
        results: of runs, by what they are called.
        plans: of the same runs; a run without a search has none, and no line.
    """
    figure, told = go.Figure(), []
    for number, (name, result) in enumerate(results.items()):
        known = [(step, step.perplexity) for step in plans[name].values() if step.perplexity is not None]
        if not known:
            continue
        players, dense = result.model.players, result.dense_perplexity
        figure.add_scatter(
            x=[0, *(len(step.removed) / len(players) for step, _ in known)],
            y=[1, *(perplexity / dense for _, perplexity in known)],
            name=name,
            customdata=["none", *(named(players, step.removed) for step, _ in known)],
            hovertemplate=f"%{{x:.0%}} removed: %{{customdata}}<br>%{{y:{HOVER}}} times the whole model's perplexity "
            "(measured)<extra>%{fullData.name}</extra>",
            **_look(number),
        )
        told.append(f"{name}: {known[-1][1] / dense:.3g} times with {len(known[-1][0].removed)} of {len(players)}")
    figure.update_layout(
        height=_HEIGHT,
        margin=MARGIN,
        legend=LEGEND,
        showlegend=True,
        xaxis={"title": "share of layers removed", "tickformat": ".0%"},
        yaxis={"title": "perplexity / whole model's (log)", "type": "log", "tickvals": _RATIOS, "tickformat": "~r"},
    )
    if any(value > _WORST for line in figure.data for value in line.y):
        figure.update_yaxes(range=[-0.05, 2])
    return Chart(figure, f"Curves: perplexity over the whole model's by share of layers removed. {'; '.join(told)}.")


def correlation_matrix(names: Sequence[str], found: Floats) -> Chart:
    """Rank correlations (runs, runs) as a matrix: blue ranks alike, vermilion the other way round."""
    scale = {"zmin": -1, "zmax": 1, "colorscale": [[0, mixed(-DARKEST)], [0.5, NEUTRAL], [1, mixed(DARKEST)]]}
    figure = written_cells(names, names, found, [[f"{value:.2f}" for value in row] for row in found], scale)
    others = [found[row, column] for row in range(len(names)) for column in range(row)]
    alt = (
        f"Matrix: rank correlation (Spearman) of the contributions of every two of {len(names)} runs, from "
        f"{min(others):.2f} to {max(others):.2f}."
    )
    return Chart(figure, alt)


def _look(number: int) -> dict[str, object]:
    colour = _COLOURS[number % len(_COLOURS)]
    return {
        "mode": "lines+markers",
        "line": {"color": colour, "width": 1.4, "dash": _DASHES[number % len(_DASHES)]},
        "marker": {"color": colour, "symbol": _SYMBOLS[number % len(_SYMBOLS)], "size": 7},
    }


def _largest(result: RunResult) -> str:
    return result.model.players[max(result.overall, key=lambda item: item.value).layer]
