"""Perplexity against the number of removed layers -> figures."""

from collections.abc import Mapping

import plotly.graph_objects as go

from app.figures.charts import BLUE, GREEN, GREY, MARGIN, ORANGE, PURPLE, SKY, VERMILION, Chart
from app.words import named
from core.records.fits import Prediction
from core.records.plans import OURS, Comparison, Selection
from core.records.results import RunResult

# Ticks of a perplexity: 1, 2 and 5 of each power of ten.
_ROUND = [digit * 10.0**power for power in range(9) for digit in (1, 2, 5)]
_DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("square", "diamond", "x", "triangle-up", "star")
_COLOURS = (VERMILION, GREEN, PURPLE, ORANGE, SKY)

Place = tuple[int, float, str]  # removed layers, their perplexity, and whether that is measured or predicted


def curve(
    result: RunResult,
    found: Selection | None,
    expected: Mapping[int, Prediction],
    bend: int | None,
    here: Place,
) -> Chart:
    """The curve that a ratio is chosen on.

    Args:
        result: the run's.
        found: by a search, if there was one. Its plans are drawn by their measured ratio to the whole model, on its
            own windows, times the whole model's perplexity on the run's.
        expected: what the surrogate predicts of the sets that the slider goes through, by number of removed layers.
        bend: the count at which the curve bends, if it does.
        here: the place of the set on show.
    """
    figure = go.Figure()
    counts = sorted(expected)
    finite = [count for count in counts if expected[count].high < 1e6 * result.dense_perplexity]
    figure.add_scatter(
        x=[*finite, *finite[::-1]],
        y=[*(expected[count].high for count in finite), *(expected[count].low for count in finite[::-1])],
        fill="toself",
        fillcolor="rgba(136,136,136,0.22)",
        line={"width": 0},
        name="predicted, 90 % interval",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=counts,
        y=[expected[count].perplexity for count in counts],
        mode="lines",
        line={"color": GREY, "dash": "dot"},
        name="predicted by the surrogate",
        customdata=["extrapolated" if expected[count].extrapolated else "predicted" for count in counts],
        hovertemplate="%{x} removed<br>perplexity %{y:.2f} (%{customdata})<extra></extra>",
    )
    if found is None:
        figure.add_scatter(
            x=[0],
            y=[result.dense_perplexity],
            mode="markers",
            marker={"color": BLUE, "size": 9},
            name="the whole model, measured",
            hovertemplate="nothing removed<br>perplexity %{y:.2f} (measured)<extra></extra>",
        )
    else:
        figure.add_scatter(
            x=[0, *(plan.count for plan in found.plans)],
            y=[result.dense_perplexity, *(result.dense_perplexity * plan.ratio for plan in found.plans)],
            error_y={
                "array": [0, *(result.dense_perplexity * (plan.ratio_high - plan.ratio) for plan in found.plans)],
                "arrayminus": [0, *(result.dense_perplexity * (plan.ratio - plan.ratio_low) for plan in found.plans)],
                "color": BLUE,
                "thickness": 1.2,
            },
            mode="lines+markers",
            line={"color": BLUE},
            name="best plans, measured ratios",
            customdata=[
                ("none", 1.0),
                *((named(result.model.players, plan.removed), plan.ratio) for plan in found.plans),
            ],
            hovertemplate="%{x} removed: %{customdata[0]}<br>%{customdata[1]:.3f} times the whole model's perplexity "
            f"(measured)<br>{found.protocol}<extra></extra>",
        )
    if bend is not None:
        figure.add_vline(bend, line={"dash": "dash", "color": GREY}, annotation_text=f"bends at {bend}")
    figure.add_scatter(
        x=[here[0]],
        y=[here[1]],
        mode="markers",
        marker={"symbol": "star", "size": 16, "color": ORANGE, "line": {"width": 1, "color": GREY}},
        name=f"the set on show, {here[2]}",
        hovertemplate="%{x} removed<br>perplexity %{y:.2f}<extra></extra>",
    )
    _axes(figure, "perplexity")
    where = f" The measured curve bends at {bend} removed layers." if bend is not None else ""
    alt = (
        f"Curve: perplexity against the number of removed layers, from {result.dense_perplexity:.1f} for the whole "
        f"model. The set on show removes {here[0]} layers and has perplexity {here[1]:.1f} ({here[2]}).{where}"
    )
    return Chart(figure, alt)


def rivals(found: Comparison) -> Chart:
    """Every method's perplexity on text that none of them has seen, by number of removed layers."""
    figure = go.Figure()
    others = [method for method in found.methods if method.method != OURS]
    for index, method in enumerate(sorted(found.methods, key=lambda method: method.method != OURS)):
        ours = method.method == OURS
        style = (index - 1) % len(_COLOURS)
        figure.add_scatter(
            x=[0, *(plan.count for plan in method.plans)],
            y=[found.dense_perplexity, *(plan.perplexity for plan in method.plans)],
            mode="lines+markers",
            line={"color": BLUE, "width": 3} if ours else {"color": _COLOURS[style], "dash": _DASHES[style]},
            marker={"symbol": "circle" if ours else _SYMBOLS[style], "size": 8},
            name=f"{method.method} ({method.plain:.2g} units plain, {method.shared:.2g} shared)",
            customdata=["none", *(named(found.model.players, plan.removed) for plan in method.plans)],
            hovertemplate="%{x} removed: %{customdata}<br>perplexity %{y:.2f} (measured)<br>"
            f"{found.evaluation}<extra></extra>",
        )
    _axes(figure, "perplexity on other text")
    most = max(plan.count for method in found.methods for plan in method.plans)
    ends = {method.method: plan.perplexity for method in found.methods for plan in method.plans if plan.count == most}
    best = min(ends, key=lambda name: ends[name])
    alt = (
        f"Curves: perplexity of {len(others)} methods of the literature and ours against the number of removed layers, "
        f"on other text. With {most} removed, {best} has the least: {ends[best]:.1f}."
    )
    return Chart(figure, alt)


def _axes(figure: go.Figure, title: str) -> None:
    figure.update_layout(
        height=430,
        margin=MARGIN,
        xaxis={"title": "layers removed", "dtick": 1},
        yaxis={"title": f"{title} (log scale)", "type": "log", "tickvals": _ROUND, "tickformat": ",~r"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
