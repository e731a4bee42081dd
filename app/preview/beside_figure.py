"""Two removals, sequence by sequence: how their losses differ, and a figure of it."""

import numpy as np
import plotly.graph_objects as go

from app.digits import HOVER, significant
from app.figures.charts import BLUE, GREY, MARGIN, Chart
from core.coalitions.measurements import Floats


def paired(one: Floats, other: Floats) -> tuple[float, float]:
    """The mean difference of two removals' losses, (sequences,), and its standard error, in nats a token.

    Paired: sequences that are hard for one are hard for the other. The error is NaN for a single sequence.
    """
    rises = one - other
    error = float(rises.std(ddof=1) / np.sqrt(len(rises))) if len(rises) > 1 else np.nan
    return float(rises.mean()), error


def paired_losses(one: Floats, other: Floats) -> Chart:
    """A point for each sequence; above the line, the removal on show loses more."""
    ends = [float(min(one.min(), other.min())), float(max(one.max(), other.max()))]
    figure = go.Figure()
    figure.add_scatter(x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dot"}, hoverinfo="skip")
    figure.add_scatter(
        x=other,
        y=one,
        mode="markers",
        marker={"size": 10, "color": BLUE},
        customdata=np.arange(len(one)),
        hovertemplate=f"sequence %{{customdata}}<br>on show %{{y:{HOVER}}}, other %{{x:{HOVER}}} (measured)"
        "<extra></extra>",
    )
    figure.update_layout(
        height=300,
        margin=MARGIN,
        showlegend=False,
        xaxis={"title": "other, nats a token", "nticks": 5},
        yaxis={"title": "on show", "nticks": 5},
    )
    mean, error = paired(one, other)
    alt = (
        f"Scatter: the loss of each of {len(one)} sequences without the layers on show against that without the "
        f"others. On show loses more in {int((one > other).sum())}; the mean difference is {significant(mean, '+')} ± "
        f"{significant(error)} nats a token."
    )
    return Chart(figure, alt)
