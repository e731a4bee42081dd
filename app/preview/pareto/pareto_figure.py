"""Plans as points between two measures -> a figure, with the front of those that no other beats in both."""

from collections.abc import Mapping, Sequence
from math import isfinite, nan

import plotly.graph_objects as go

from app.digits import HOVER
from app.figures.charts import BLUE, GREEN, GREY, LEGEND, MARGIN, ORANGE, PURPLE, SKY, VERMILION, Chart
from app.preview.curve import ROUND
from app.preview.pareto.measures import Measure, Removed
from app.words import Players, named
from core.selection.front import front

_COLOURS = (BLUE, GREY, VERMILION, GREEN, PURPLE, SKY)
_SYMBOLS = ("circle", "circle-open", "square", "diamond", "x", "triangle-up")

Chosen = Mapping[str, Sequence[Removed]]  # by whom


def pareto(players: Players, across: Measure, up: Measure, chosen: Chosen, here: Removed) -> Chart:
    """The plans that both measures are known of.

    Args:
        players: their names.
        across, up: the two measures.
        chosen: the plans of each chooser, of which a plan of two is drawn with the first.
        here: the plan on show.
    """
    figure = go.Figure()
    known = {one for one in across.values if isfinite(across.values[one]) and isfinite(up.values.get(one, nan))}
    left = {removed for removed in known if removed}
    drawn = known & {(), *(removed for plans in chosen.values() for removed in plans)}
    best = _front(across, up, sorted(drawn))
    figure.add_scatter(
        x=[across.values[removed] for removed in best],
        y=[up.values[removed] for removed in best],
        mode="lines",
        line={"color": ORANGE, "width": 6},
        opacity=0.35,
        name="front",
        hoverinfo="skip",
    )
    for place, (name, plans) in enumerate(chosen.items()):
        mine = [removed for removed in plans if removed in left]
        left -= {*mine}
        _points(figure, players, across, up, mine, name, place)
    if () in known:
        _points(figure, players, across, up, [()], "whole model", 0, symbol="hexagon")
    if here in known:
        figure.add_scatter(
            x=[across.values[here]],
            y=[up.values[here]],
            mode="markers",
            marker={"symbol": "star", "size": 16, "color": ORANGE, "line": {"width": 1, "color": GREY}},
            name="on show",
            hoverinfo="skip",
            showlegend=False,
        )
    figure.update_layout(height=340, margin=MARGIN, legend=LEGEND)
    for axis, measure in ((figure.update_xaxes, across), (figure.update_yaxes, up)):
        axis(title=measure.title, **({"type": "log", "tickvals": ROUND, "tickformat": ",~r"} if measure.log else {}))
    figure.update_traces(unselected={"marker": {"opacity": 1}}, selector={"type": "scatter"})
    counts = ", ".join(str(len(removed)) for removed in best)
    alt = (
        f"Plans as points: {up.title} against {across.title}, {len(drawn)} models. The front is of those with {counts} "
        "layers removed."
    )
    return Chart(figure, alt)


def _front(across: Measure, up: Measure, known: Sequence[Removed]) -> list[Removed]:
    points = [(across.values[removed], up.values[removed]) for removed in known]
    return [known[place] for place in front(points, (across.least, up.least))]


def _points(
    figure: go.Figure,
    players: Players,
    across: Measure,
    up: Measure,
    plans: Sequence[Removed],
    name: str,
    place: int,
    symbol: str = "",
) -> None:
    """Plans, each of which can be clicked."""
    if not plans:
        return
    figure.add_scatter(
        x=[across.values[removed] for removed in plans],
        y=[up.values[removed] for removed in plans],
        mode="markers",
        marker={
            "symbol": symbol or _SYMBOLS[place % len(_SYMBOLS)],
            "size": 12 if symbol else 9,
            "color": _COLOURS[place % len(_COLOURS)],
        },
        name=name,
        customdata=[(named(players, removed, ","), len(removed)) for removed in plans],
        hovertemplate=f"%{{customdata[1]}} removed: %{{customdata[0]}}<br>{across.title} %{{x:{HOVER}}}<br>"
        f"{up.title} %{{y:{HOVER}}}<extra>{name}</extra>",
    )
