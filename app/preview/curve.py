"""Perplexity against the number of removed layers -> figures."""

from collections.abc import Iterable, Sequence

import numpy as np
import plotly.graph_objects as go

from app.digits import HOVER, RUINED
from app.figures.charts import BLUE, GREEN, GREY, MARGIN, ORANGE, PURPLE, SKY, VERMILION, Chart
from app.preview.steps import Rivals, Step, Steps
from app.words import Players, named
from core.records.plans import OURS, Comparison
from core.records.results import RunResult

# Ticks of a perplexity over a wide range: 1, 2 and 5 of each power of ten.
ROUND = [digit * 10.0**power for power in range(9) for digit in (1, 2, 5)]
_DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("square", "diamond", "x", "triangle-up", "star")
_MANY = 10  # removed layers, of which not all are written
_COLOURS = (VERMILION, GREEN, PURPLE, ORANGE, SKY)

Place = tuple[tuple[int, ...], float, str]  # removed layers, their perplexity, and whether it is measured or predicted


def curve(
    result: RunResult, best: Steps, ranked: Steps, rivals: Rivals, marks: tuple[int | None, float], here: Place | None
) -> Chart:
    """The curve that a ratio is chosen on, all on the run's text; the first custom datum of a point names its layers.

    Args:
        result: the run's.
        best: the plans of a search; none before it.
        ranked: the paper's ranking, measured or predicted.
        rivals: what other methods chose.
        marks: the count at which the curve bends, if it does, and the perplexity that is accepted.
        here: the place of the set on show, as far as it is known.
    """
    figure, players, (bend, limit) = go.Figure(), result.model.players, marks
    paper = [step for step in ranked.values() if step.perplexity is not None]
    if not best:
        _band(figure, paper)
    for index, (name, steps) in enumerate(rivals.items()):
        _line(figure, players, steps, name, _COLOURS[index % 5], dash=_DASHES[index % 5], symbol=_SYMBOLS[index % 5])
    _line(figure, players, paper, "the paper's ranking", GREY, dash="dash", symbol="circle-open")
    _line(figure, players, best.values(), "best plans", BLUE, whiskers=True)
    figure.add_hline(limit, line={"dash": "dot", "color": GREEN, "width": 1.5})
    if bend is not None:
        figure.add_vline(bend, line={"dash": "dot", "color": GREY}, annotation_text=f"bends at {bend}")
    if here is not None:
        figure.add_scatter(
            x=[len(here[0])],
            y=[here[1]],
            mode="markers",
            marker={"symbol": "star", "size": 16, "color": ORANGE, "line": {"width": 1, "color": GREY}},
            name="on show",
            hovertemplate=f"%{{x}} removed, on show<br>perplexity %{{y:{HOVER}}} ({here[2]})<extra></extra>",
        )
    shown = [step for step in (best or ranked).values() if step.perplexity is not None]
    values = [
        result.dense_perplexity,
        limit,
        *(step.perplexity or limit for step in shown),
        *([here[1]] if here else []),
    ]
    most = max([*best, *([] if best else ranked), *([len(here[0])] if here else [])])
    _axes(figure, "perplexity", most)
    ends = np.log10([min(values), min(max(values), 100 * result.dense_perplexity)])
    room = 0.06 * (ends[1] - ends[0])
    figure.update_layout(
        height=340,
        yaxis={"range": [ends[0] - room, ends[1] + 2 * room], "tickvals": _ticks(*(10**ends))},
        xaxis={"range": [-0.4, most + 0.5]},
    )
    figure.update_traces(unselected={"marker": {"opacity": 1}}, selector={"type": "scatter"})
    told = (
        f" The set on show removes {len(here[0])} layers and has perplexity {here[1]:.1f} ({here[2]})." if here else ""
    )
    bends = f" The curve bends at {bend} removed layers." if bend is not None else ""
    alt = (
        f"Curve: perplexity against the number of removed layers, from {result.dense_perplexity:.1f} for the whole "
        f"model.{told}{bends} {limit:.1f} is accepted."
    )
    return Chart(figure, alt)


def _ticks(low: float, high: float) -> list[float]:
    """Round perplexities to be written on a logarithmic axis: over a narrow range, multiples of one step."""
    if high > 5 * low:
        return ROUND
    power = 10 ** np.floor(np.log10(max(high - low, 1e-9)))
    step = next(size * power for size in (0.2, 0.5, 1, 2, 5) if (high - low) / (size * power) <= 6)
    return [float(step * place) for place in range(int(low // step), int(high // step) + 2)]


def _band(figure: go.Figure, steps: Sequence[Step]) -> None:
    """The intervals of predictions, as far as they are of use."""
    sure = [step for step in steps if step.perplexity is not None and step.high < 100 * step.perplexity]
    counts = [len(step.removed) for step in sure]
    figure.add_scatter(
        x=[*counts, *counts[::-1]],
        y=[*(step.high for step in sure), *(step.low for step in sure[::-1])],
        mode="lines",
        fill="toself",
        fillcolor="rgba(136,136,136,0.22)",
        line={"width": 0},
        name="90 % interval",
        hoverinfo="skip",
    )


def _line(
    figure: go.Figure,
    players: Players,
    steps: Iterable[Step],
    name: str,
    colour: str,
    *,
    dash: str = "solid",
    symbol: str = "circle",
    whiskers: bool = False,
) -> None:
    """Sets as points, each of which can be clicked."""
    known = [step for step in steps if step.perplexity is not None]
    if not known:
        return
    bars = {
        "error_y": {
            "array": [step.high - (step.perplexity or 0) for step in known],
            "arrayminus": [(step.perplexity or 0) - step.low for step in known],
            "color": colour,
            "thickness": 1.2,
        }
    }
    figure.add_scatter(
        x=[len(step.removed) for step in known],
        y=[step.perplexity for step in known],
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2.5 if whiskers else 1.2},
        marker={"symbol": symbol, "size": 9 if whiskers else 6},
        name=name,
        customdata=[(named(players, step.removed, ","), step.source) for step in known],
        hovertemplate="%{x} removed: %{customdata[0]}<br>"
        f"perplexity %{{y:{HOVER}}} (%{{customdata[1]}})"
        f"<extra>{name}</extra>",
        **(bars if whiskers else {}),
    )


def rivals(found: Comparison) -> Chart:
    """Every method's perplexity on text that none of them has seen, by number of removed layers.

    After the comparison's compensation, if it has one that leaves any choice.
    """
    fits = any(method.compensated for method in found.methods)
    figure, after = go.Figure(), f" after {found.compensation}" if fits else ""
    plans = {method.method: method.compensated if after else method.plans for method in found.methods}
    others = [method for method in found.methods if method.method != OURS]
    for index, method in enumerate(sorted(found.methods, key=lambda method: method.method != OURS)):
        ours = method.method == OURS
        style = (index - 1) % len(_COLOURS)
        figure.add_scatter(
            x=[0, *(plan.count for plan in plans[method.method])],
            y=[found.dense_perplexity, *(plan.perplexity for plan in plans[method.method])],
            mode="lines+markers",
            line={"color": BLUE, "width": 3} if ours else {"color": _COLOURS[style], "dash": _DASHES[style]},
            marker={"symbol": "circle" if ours else _SYMBOLS[style], "size": 8},
            name=method.method,
            customdata=["none", *(named(found.model.players, plan.removed) for plan in plans[method.method])],
            hovertemplate="%{x} removed: %{customdata}<br>"
            f"perplexity %{{y:{HOVER}}} (measured)<br>"
            f"{found.evaluation}<extra></extra>",
        )
    points = [(plan.count, plan.perplexity) for own in plans.values() for plan in own]
    most, worst = (max(values) for values in zip(*points, strict=True))
    _axes(figure, f"perplexity{after}, other text", most)
    low, high = np.log10([found.dense_perplexity, min(max(worst, found.dense_perplexity), RUINED)])
    figure.update_layout(height=340, yaxis={"range": [low - 0.05, high + 0.05]})
    ends = {name: plan.perplexity for name, own in plans.items() for plan in own if plan.count == most}
    best = min(ends, key=lambda name: ends[name])
    alt = (
        f"Curves: perplexity{after} of {len(others)} methods of the literature and ours against the number of removed "
        f"layers, on other text. With {most} removed, {best} has the least: {ends[best]:.1f}.{ruined_by(found)}"
    )
    return Chart(figure, alt)


def ruined_by(found: Comparison) -> str:
    """Says so where the comparison's compensation ruins every choice, so that only what is without it is drawn."""
    if found.compensation == "none" or any(method.compensated for method in found.methods):
        return ""
    return f" Every choice is ruined by {found.compensation}, and drawn without it."


def _axes(figure: go.Figure, title: str, most: int) -> None:
    figure.update_layout(
        height=430,
        margin=MARGIN,
        xaxis={"title": "layers removed", "dtick": 1 if most <= _MANY else 2},
        yaxis={"title": f"{title} (log scale)", "type": "log", "tickvals": ROUND, "tickformat": ",~r"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
