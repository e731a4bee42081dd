"""Values of layers under different circumstances -> heatmaps: layers along, circumstances down, centred at zero."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.charts import DIVERGING, MARGIN, Chart, layer_axis
from core.measurements import Floats
from core.types import Protocol


def stratum_heatmap(
    strata: Sequence[int], values: Floats, players: Sequence[str], unit: str, protocol: Protocol
) -> Chart:
    """How the contribution (strata, n) depends on the number of layers that are kept."""
    layers = len(players)
    figure = _heatmap([f"{kept} of {layers}" for kept in strata], values, players, unit, protocol)
    figure.update_yaxes(title="layers kept")
    row, layer = _strongest(values)
    alt = (
        f"Heatmap: contribution of {layers} layers in {len(strata)} strata. The strongest is layer {players[layer]} "
        f"with {strata[row]} layers kept ({values[row, layer]:.3f})."
    )
    return Chart(figure, alt)


def worth_heatmap(by_worth: Mapping[str, Floats], players: Sequence[str], protocol: Protocol) -> Chart:
    """The values (n,) of several worths, each as a share of its own largest absolute value."""
    values = np.stack([row / (np.abs(row).max() or 1.0) for row in by_worth.values()])
    figure = _heatmap(list(by_worth), values, players, "share of the largest of its row", protocol)
    most = ", ".join(f"{worth}: layer {players[int(row.argmax())]}" for worth, row in by_worth.items())
    alt = f"Heatmap: values of {len(players)} layers, each worth scaled by itself. Largest in {most}."
    return Chart(figure, alt)


def sequence_heatmap(
    sequences: Sequence[str], values: Floats, players: Sequence[str], unit: str, protocol: Protocol
) -> Chart:
    """The value (sequences, n) on each calibration sequence alone."""
    figure = _heatmap(sequences, values, players, unit, protocol)
    figure.update_yaxes(title="sequence")
    spread = int(values.std(axis=0).argmax())
    low, high = values[:, spread].min(), values[:, spread].max()
    alt = (
        f"Heatmap: value of {len(players)} layers on each of {len(values)} calibration sequences. Layer "
        f"{players[spread]} depends most on the text: {low:.3f} to {high:.3f}."
    )
    return Chart(figure, alt)


def _heatmap(rows: Sequence[str], values: Floats, players: Sequence[str], unit: str, protocol: Protocol) -> go.Figure:
    bound = float(np.abs(values).max()) or 1.0
    figure = go.Figure(
        go.Heatmap(
            x=list(players),
            y=rows,
            z=values,
            zmin=-bound,
            zmax=bound,
            colorscale=DIVERGING,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "value"}, "thickness": 12},
            hovertemplate=f"layer %{{x}}<br>%{{y}}<br>%{{z:.4f}} (estimated), {unit}<br>{protocol}<extra></extra>",
        )
    )
    figure.update_layout(
        height=120 + 34 * len(rows),
        margin=MARGIN,
        xaxis=layer_axis(players),
        yaxis={"autorange": "reversed", "type": "category"},
    )
    return figure


def _strongest(values: Floats) -> tuple[int, int]:
    row, layer = np.unravel_index(np.abs(values).argmax(), values.shape)
    return int(row), int(layer)
