"""What all figures share: the form of a chart, its colours, and the ticks of an axis of layers.

Figures are pure functions, results -> Chart; those of one page are in its room. Colours are Okabe and Ito's, and a
zero-centred scale between their blue and vermilion, which every kind of colour vision tells apart. Text and paper take
the page's theme.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from app.foreign import untagged
from core.coalitions.measurements import Floats

BLUE, VERMILION, ORANGE, GREEN, PURPLE, SKY, GREY = (
    "#0072B2",
    "#D55E00",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#888888",
)
NEUTRAL = "#F7F7F7"
RISING = [[0.0, NEUTRAL], [1.0, BLUE]]
INK = "#444444"
# Above every figure there is room for Plotly's own buttons, which cover nothing there; a legend stands below the axis.
MARGIN = {"l": 10, "r": 10, "t": 28, "b": 10}
LEGEND = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.22, "yanchor": "top"}


@dataclass(frozen=True)
class Chart:
    """A figure, its description in words, and what a reader has to know beside it, if there is anything.

    What is not ours in the figure is text: no tag of it leaves it.
    """

    figure: go.Figure
    alt: str
    note: str = ""

    def __post_init__(self) -> None:
        # Part by part: a figure's own JSON has its arrays packed.
        data = [untagged(trace.to_plotly_json()) for trace in self.figure.data]
        object.__setattr__(self, "figure", go.Figure(data, untagged(self.figure.layout.to_plotly_json())))


def centred(values: Floats) -> dict[str, Any]:
    """The part of the zero-centred scale that some values take: equally far from zero is equally strong in colour.

    Returns:
        `zmin`, `zmax` and `colorscale` of a heatmap. The scale begins or ends at zero where all values are on one side.
    """
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if low == high:
        high = 1.0
    bound = max(-low, high)
    zero = -low / (high - low)
    scale = [[0.0, mixed(low / bound)]] * (low < 0) + [[zero, NEUTRAL]] + [[1.0, mixed(high / bound)]] * (high > 0)
    return {"zmin": low, "zmax": high, "colorscale": scale}


def mixed(share: float) -> str:
    """A colour between the neutral one and an end of the zero-centred scale, for a share from -1 to 1."""
    neutral, end = channels(NEUTRAL), channels(BLUE if share >= 0 else VERMILION)
    part = min(1.0, abs(share))
    return "#" + "".join(f"{round(a + part * (b - a)):02X}" for a, b in zip(neutral, end, strict=True))


def channels(colour: str) -> list[int]:
    """Red, green and blue of a colour such as #0072B2, from 0 to 255."""
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def tick(layers: int) -> int:
    """The distance of ticks on an axis of layers."""
    return max(1, -(-layers // 16))


def layer_axis(players: Sequence[str]) -> dict[str, Any]:
    """An axis of players by their names, in the order of the model, of which not all are written if there are many."""
    return {
        "title": "layer (0 is next to the embedding)",
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(players),
        "dtick": tick(len(players)),
    }


def darken(figure: go.Figure) -> None:
    """Text that can be read on white: the grey that Streamlit gives it there has a contrast of 3.7 only, not of 4.5."""
    text = {"color": INK}
    figure.update_layout(font=text, legend={"font": text, "title": {"font": text}})
    figure.update_xaxes(tickfont=text, title={"font": text})
    figure.update_yaxes(tickfont=text, title={"font": text})
    figure.update_traces(colorbar={"tickfont": text, "title": {"font": text}}, selector={"type": "heatmap"})
