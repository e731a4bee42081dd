"""The three-player game -> figures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.charts import BLUE, GREY, LEGEND, MARGIN, ORANGE, VERMILION, Chart
from app.learn.games import PLAYERS
from core.coalitions.measurements import Floats

Coalition = tuple[int, ...]
# Where each coalition stands: by size from left to right, and so that each neighbour is one line away.
_PLACES: dict[Coalition, tuple[int, int]] = {
    (0, 0, 0): (0, 1),
    (1, 0, 0): (1, 2),
    (0, 1, 0): (1, 1),
    (0, 0, 1): (1, 0),
    (1, 1, 0): (2, 2),
    (1, 0, 1): (2, 1),
    (0, 1, 1): (2, 0),
    (1, 1, 1): (3, 1),
}


def team_name(coalition: Sequence[int]) -> str:
    """A coalition in words."""
    return " + ".join(name for name, there in zip(PLAYERS, coalition, strict=True) if there) or "nobody"


def coalition_lattice(game: Floats, chosen: Coalition) -> Chart:
    """All eight coalitions with their worths; the chosen one stands out, and on its lines what each change is worth."""
    figure = go.Figure()
    changes = []
    for coalition, place in _PLACES.items():
        for player in range(3):
            if coalition[player]:
                continue
            joined = (*coalition[:player], 1, *coalition[player + 1 :])
            near = chosen in (coalition, joined)
            (x0, y0), (x1, y1) = place, _PLACES[joined]
            figure.add_scatter(
                x=[x0, x1],
                y=[y0, y1],
                mode="lines",
                hoverinfo="skip",
                line={"color": VERMILION if near else GREY, "width": 3 if near else 1},
            )
            if near:
                gain = game[joined] - game[coalition]
                changes.append(f"{PLAYERS[player]} adds {gain:g}")
                figure.add_annotation(
                    x=x0 + (x1 - x0) * 0.55,
                    y=y0 + (y1 - y0) * 0.55,
                    text=f"{PLAYERS[player]} {gain:+g}",
                    showarrow=False,
                    bgcolor=VERMILION,
                    font={"color": "black", "size": 14},
                    borderpad=3,
                )
    for coalition, (x, y) in _PLACES.items():
        here = coalition == chosen
        label = f"{team_name(coalition)}<br>{game[coalition]:g}"
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers+text",
            text=f"<b>{label}</b>" if here else label,
            textposition="top center",
            textfont={"size": 16},
            hovertemplate=f"{label}<extra></extra>",
            marker={
                "symbol": "diamond" if here else "circle",
                "size": 22 if here else 13,
                "color": VERMILION if here else BLUE,
            },
        )
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False}
    figure.update_layout(
        height=330,
        margin=MARGIN,
        showlegend=False,
        xaxis={**hidden, "range": [-0.4, 3.4]},
        yaxis={**hidden, "range": [-0.3, 2.7]},
    )
    alt = (
        f"Diagram: the eight coalitions, joined by lines where one player makes the difference. Chosen: "
        f"{team_name(chosen)}, worth {game[chosen]:g}. Next to it, {', '.join(changes)}."
    )
    return Chart(figure, alt)


def lattice_table(game: Floats) -> pd.DataFrame:
    """What it shows: each coalition, its worth, and what each player adds by coming, or has added who is there."""
    rows = []
    for coalition in _PLACES:
        gains = {}
        for player, name in enumerate(PLAYERS):
            without, joined = ((*coalition[:player], there, *coalition[player + 1 :]) for there in (0, 1))
            gains[f"{name} adds"] = float(game[joined] - game[without])
        rows.append({"coalition": team_name(coalition), "worth": float(game[coalition]), **gains})
    return pd.DataFrame(rows)


def order_steps(order: Sequence[int], gains: Sequence[float]) -> Chart:
    """How the worth grows in one order of joining; `gains` by player."""
    steps = [gains[player] for player in order]
    words = [f"{'first ' if not turn else 'then '}{PLAYERS[player]}" for turn, player in enumerate(order)]
    figure = go.Figure(
        go.Waterfall(
            x=[*words, "all"],
            y=[*steps, 0],
            measure=["relative"] * len(steps) + ["total"],
            text=[*(f"{step:+g}" for step in steps), f"{sum(steps):g}"],
            textposition="outside",
            textfont={"size": 16},
            cliponaxis=False,
            increasing={"marker": {"color": BLUE}},
            decreasing={"marker": {"color": VERMILION}},
            totals={"marker": {"color": GREY}},
            hovertemplate="%{x}: %{text}<extra></extra>",
        )
    )
    figure.update_layout(height=320, margin={**MARGIN, "t": 30}, yaxis={"title": "worth"}, showlegend=False)
    told = ", ".join(f"{word} {step:+g}" for word, step in zip(words, steps, strict=True))
    return Chart(figure, f"Steps: the worth as players join, {told}; all together {sum(steps):g}.")


def linearity_bars(first: Floats, second: Floats, together: Floats) -> Chart:
    """The values of two games stacked on each other, and those of the sum of the games, computed by themselves."""
    figure = go.Figure()
    for name, value, colour, pattern in (("tonight", first, BLUE, ""), ("second evening", second, ORANGE, "/")):
        figure.add_bar(
            x=PLAYERS,
            y=value,
            name=name,
            marker={"color": colour, "pattern": {"shape": pattern}},
            hovertemplate="%{x}, " + name + ": %{y:,.3r}<extra></extra>",
        )
    figure.add_scatter(
        x=PLAYERS,
        y=together,
        name="both evenings as one game",
        mode="markers",
        marker={"symbol": "diamond-open", "size": 16, "color": GREY, "line": {"width": 3}},
        hovertemplate="%{x}, as one game: %{y:,.3r}<extra></extra>",
    )
    figure.update_layout(
        height=320,
        margin=MARGIN,
        barmode="relative",
        yaxis={"title": "Shapley value"},
        legend=LEGEND,
    )
    gap = float(np.abs(first + second - together).max())
    return Chart(
        figure,
        f"Stacked bars: the Shapley values of two games; the sums meet the values of both as one game to {gap:.1g}.",
    )
