"""A training as it is told: the loss of every step, and the perplexity of what is held out, which decides."""

from plotly.subplots import make_subplots

from app import digits
from app.figures.charts import BLUE, GREY, MARGIN, VERMILION, Chart
from core.records.events import Training


def training_chart(training: Training) -> Chart:
    """Two plots over the steps; `training` has the losses of all of them."""
    readings, losses = training.readings, training.losses
    best = min(readings, key=lambda reading: reading.perplexity)
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    steps = list(range(1, len(losses) + 1))
    dots = {"size": 4, "color": GREY}
    figure.add_scatter(x=steps, y=losses, mode="markers", marker=dots, name="a step", row=1, col=1)
    since = [reading for reading in readings if reading.loss is not None]
    means = [reading.loss for reading in since]
    at = [reading.step for reading in since]
    line = {"color": BLUE}
    figure.add_scatter(x=at, y=means, mode="lines+markers", line=line, name="mean since the last", row=1, col=1)
    at, held = [reading.step for reading in readings], [reading.perplexity for reading in readings]
    line = {"color": VERMILION}
    figure.add_scatter(x=at, y=held, mode="lines+markers", line=line, name="held out", row=1, col=2)
    kept = {"size": 12, "symbol": "circle-open", "color": VERMILION, "line": {"width": 2}}
    figure.add_scatter(x=[best.step], y=[best.perplexity], mode="markers", marker=kept, name="kept", row=1, col=2)
    figure.update_xaxes(range=[-0.02 * training.total, 1.02 * training.total], title="step")
    figure.update_yaxes(title="training loss, nats a token", row=1, col=1)
    figure.update_yaxes(title="held-out perplexity", row=1, col=2)
    figure.update_layout(height=260, margin=MARGIN, showlegend=False)
    alt = (
        f"After {len(losses)} of {training.total} steps. Perplexity of what is held out: "
        f"{digits.perplexity(readings[0].perplexity)} before training, {digits.perplexity(readings[-1].perplexity)} at "
        f"step {readings[-1].step}, lowest {digits.perplexity(best.perplexity)} at step {best.step}."
    )
    if means:
        alt += f" Training loss {means[-1]:.3g} nats a token at the last reading."
    return Chart(figure, alt)
