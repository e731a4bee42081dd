"""Values of layers under different circumstances -> heatmaps: layers along, circumstances down, centred at zero."""

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.digits import HOVER, significant
from app.figures.charts import MARGIN, RISING, Chart, centred, layer_axis
from core.coalitions.measurements import Floats

# How much of a sequence stands beside its row, and on hover: characters in all, and in a line.
_BESIDE, _HOVER = (40, 40), (240, 70)
# So many times as large as another's is a row's largest value where one scale would leave the other blank.
_ORDER = 10


def stratum_heatmap(strata: Sequence[int], values: Floats, players: Sequence[str], unit: str) -> Chart:
    """How the contribution (strata, n) depends on the number of layers that are kept."""
    layers = len(players)
    figure, note = _heatmap([f"{kept} of {layers}" for kept in strata], values, players, unit)
    figure.update_yaxes(title="layers kept")
    row, layer = _strongest(values)
    alt = (
        f"Heatmap: contribution of {layers} layers in {len(strata)} strata. The strongest is layer {players[layer]} "
        f"with {strata[row]} layers kept ({significant(values[row, layer])})."
    )
    return Chart(figure, " ".join([alt, *[note] * bool(note)]), note)


def worth_heatmap(by_worth: Mapping[str, Floats], players: Sequence[str]) -> Chart:
    """The values (n,) of several worths, each as a share of its own largest absolute value: no unit is another's."""
    figure = _shares(list(by_worth), np.stack(list(by_worth.values())), players, "in the unit of its worth")
    most = ", ".join(f"{worth}: layer {players[int(row.argmax())]}" for worth, row in by_worth.items())
    alt = f"Heatmap: values of {len(players)} layers, each worth scaled by itself. Largest in {most}."
    return Chart(figure, alt)


def sequence_heatmap(
    sequences: Sequence[str], values: Floats, players: Sequence[str], unit: str, texts: Sequence[str] = ()
) -> Chart:
    """The value (sequences, n) on each calibration sequence alone.

    `texts` say how each sequence begins, if that is known: a part stands beside its row, and more of it on hover.
    """
    figure, note = _heatmap(sequences, values, players, unit)
    figure.update_yaxes(title="sequence")
    if texts:
        beside = [f"{name}<br>{_lines(text, _BESIDE)}" for name, text in zip(sequences, texts, strict=True)]
        figure.update_yaxes(tickmode="array", tickvals=list(sequences), ticktext=beside, title=None)
        figure.update_traces(
            text=[[_lines(text, _HOVER)] * len(players) for text in texts],
            hovertemplate=figure.data[0].hovertemplate.replace("<extra>", "<br><br>%{text}<extra>"),
        )
        _lay_out(figure, len(sequences), players, 60)
    spread = int(values.std(axis=0).argmax())
    low, high = values[:, spread].min(), values[:, spread].max()
    alt = (
        f"Heatmap: value of {len(players)} layers on each of {len(values)} calibration sequences. Layer "
        f"{players[spread]} depends most on the text: {significant(low)} to {significant(high)}."
    )
    return Chart(figure, " ".join([alt, *[note] * bool(note)]), note)


def rank_heatmap(methods: Sequence[str], ranks: Floats, players: Sequence[str]) -> Chart:
    """The ranks (methods, n) of players by several methods, the run's own in the first row; pale goes first."""
    scale = {"zmin": 1, "zmax": len(players), "colorscale": RISING}
    figure = _figure(methods, ranks, players, "rank", f"rank %{{z}} of {len(players)}", scale)
    apart = ranks.max(axis=0) - ranks.min(axis=0)
    most = int(apart.argmax())
    alt = (
        f"Heatmap: ranks of {len(players)} layers by {len(methods)} methods, ours first. They disagree most on layer "
        f"{players[most]}: ranks {ranks[:, most].min():g} to {ranks[:, most].max():g}."
    )
    return Chart(figure, alt)


def _heatmap(rows: Sequence[str], values: Floats, players: Sequence[str], unit: str) -> tuple[go.Figure, str]:
    """Estimated values, centred at zero; rows that differ by orders each by themselves, of which the words tell."""
    largest = np.abs(values).max(axis=1)
    if largest.max() > _ORDER * min(largest[largest > 0], default=np.inf):
        return _shares(rows, values, players, unit), "Each row is scaled by itself: its numbers differ by orders."
    return _figure(rows, values, players, "value", f"%{{z:{HOVER}}} (estimated), {unit}", centred(values)), ""


def _shares(rows: Sequence[str], values: Floats, players: Sequence[str], unit: str) -> go.Figure:
    """Estimated values, each row divided by its own largest absolute value; on hover undivided."""
    shares = values / (np.abs(values).max(axis=1, keepdims=True) + (values == 0).all(axis=1, keepdims=True))
    said = f"%{{customdata:{HOVER}}} (estimated), {unit}<br>%{{z:.0%}} of the row's largest"
    figure = _figure(rows, shares, players, "share of the<br>row's largest", said, centred(shares))
    return figure.update_traces(customdata=values)


def _figure(
    rows: Sequence[str], values: Floats, players: Sequence[str], what: str, said: str, scale: dict[str, Any]
) -> go.Figure:
    """A cell for each row and player; `what` the numbers are stands beside the scale, and what is `said` on hover."""
    figure = go.Figure(
        go.Heatmap(
            x=list(players),
            y=list(rows),
            z=values,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": what}, "thickness": 12, "x": 1.005, "tickformat": ".3~g"},
            hovertemplate=f"layer %{{x}}<br>%{{y}}<br>{said}<extra></extra>",
            **scale,
        )
    )
    _lay_out(figure, len(rows), players)
    return figure


def _lay_out(figure: go.Figure, rows: int, players: Sequence[str], row: int = 34) -> None:
    """Of so many rows of so many pixels."""
    figure.update_layout(
        height=120 + row * rows,
        margin=MARGIN,
        xaxis=layer_axis(players),
        yaxis={"autorange": "reversed", "type": "category"},
    )


def _lines(text: str, size: tuple[int, int]) -> str:
    """The beginning of a text in lines, as Plotly writes them; `size` is characters in all, and in a line."""
    characters, width = size
    short = " ".join(text.split())
    shown = short[:characters] + ("…" if len(short) > characters else "")
    # Plotly reads tags, and of the entities only those of <, > and &.
    return "<br>".join(escape(line, quote=False) for line in wrap(shown, width))


def _strongest(values: Floats) -> tuple[int, int]:
    row, layer = np.unravel_index(np.abs(values).argmax(), values.shape)
    return int(row), int(layer)
