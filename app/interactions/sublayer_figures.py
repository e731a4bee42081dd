"""The two halves of each block, attention and MLP, where they are players -> the interaction of the two, a figure."""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.digits import HOVER, significant
from app.figures.charts import BLUE, GREY, MARGIN, VERMILION, Chart, layer_axis
from app.interactions.matrix import bounds_of
from app.words import Players
from core.coalitions.players import both_halves
from core.records.values import PairInteraction, PairInteractions


def half_pairs(found: PairInteractions, players: Players) -> dict[str, PairInteraction]:
    """The interaction of the two halves of each block both of whose halves play, by the block's name."""
    by_places = {(pair.first, pair.second): pair for pair in found.pairs}
    return {str(block): by_places[places] for block, places in both_halves(players).items()}


def half_bars(pairs: dict[str, PairInteraction], unit: str) -> Chart:
    """A bar with its interval for each block."""
    blocks, values = list(pairs), list(pairs.values())
    figure = go.Figure(
        go.Bar(
            x=blocks,
            y=[pair.value for pair in values],
            error_y={
                "array": [pair.high - pair.value for pair in values],
                "arrayminus": [pair.value - pair.low for pair in values],
                "color": GREY,
                "thickness": 1.2,
            },
            marker_color=[BLUE if pair.value >= 0 else VERMILION for pair in values],
            customdata=[(bounds_of(pair), pair.meaning) for pair in values],
            hovertemplate=f"halves of layer %{{x}}<br>interaction %{{y:+{HOVER}}} (estimated), {unit}<br>"
            f"90 % interval %{{customdata[0]}}, %{{customdata[1]}}<extra></extra>",
        )
    )
    figure.update_layout(height=320, margin=MARGIN, xaxis=layer_axis(blocks), yaxis={"title": unit, "zeroline": True})
    return Chart(figure, _alt(blocks, values, unit))


def _alt(blocks: Sequence[str], values: Sequence[PairInteraction], unit: str) -> str:
    strongest = max(range(len(values)), key=lambda index: abs(values[index].value))
    decided = sum(pair.meaning != "undecided" for pair in values)
    return (
        f"Bars: interaction of the attention and the MLP of each of {len(blocks)} layers, {decided} of them decided. "
        f"The strongest is in layer {blocks[strongest]} "
        f"({significant(values[strongest].value, '+')} {unit}, {values[strongest].meaning})."
    )
