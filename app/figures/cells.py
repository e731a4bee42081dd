"""A small matrix whose numbers are written into its cells -> figure."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from app.figures.charts import MARGIN
from core.coalitions.measurements import Floats

DARKEST = 0.55  # of the way to a colour: what is written in a cell can be read on it
_INK = "#111111"
_CELL, _AROUND = 34, 110  # pixels of a row, and of what stands around them
_NAME = 28  # letters of a row's or a column's name that are written


def written_cells(
    rows: Sequence[str], columns: Sequence[str], values: Floats, written: Sequence[Sequence[str]], scale: dict[str, Any]
) -> go.Figure:
    """Cells coloured by `values` (rows, columns) with a text in each; `scale` is as `charts.centred` gives it.

    On hover a cell says the whole names of its row and its column.
    """
    down, along = list(range(len(rows))), list(range(len(columns)))
    figure = go.Figure(
        go.Heatmap(
            x=along,
            y=down,
            z=values,
            text=[list(row) for row in written],
            texttemplate="%{text}",
            textfont={"color": _INK},
            customdata=[[(row, column) for column in columns] for row in rows],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>%{text}<extra></extra>",
            xgap=1,
            ygap=1,
            showscale=False,
            **scale,
        )
    )
    ticks = {"showgrid": False, "zeroline": False, "tickmode": "array"}
    figure.update_layout(
        height=_AROUND + _CELL * len(rows),
        margin=MARGIN,
        xaxis={**ticks, "tickvals": along, "ticktext": list(map(_short, columns)), "side": "top"},
        yaxis={**ticks, "tickvals": down, "ticktext": list(map(_short, rows)), "autorange": "reversed"},
    )
    return figure


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
