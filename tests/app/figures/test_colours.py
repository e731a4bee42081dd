"""Heatmaps: the colours of what is there, and rows that differ by orders each scaled by itself."""

import numpy as np
import pytest

from app.figures.charts import BLUE, NEUTRAL, VERMILION, centred, channels
from app.figures.heatmaps import sequence_heatmap, stratum_heatmap

PLAYERS = ("0", "1", "2")


def far(colour: str) -> int:
    """How far a colour is from the neutral one."""
    return sum(abs(a - b) for a, b in zip(channels(colour), channels(NEUTRAL), strict=True))


@pytest.mark.parametrize("values", [[0.0, 1, 2], [1, 2, 3], [-3, -2], [-1, 4], [-4, 1], [0, 0], [-2, 2]])
def test_the_scale_is_that_of_what_is_there(values: list[float]) -> None:
    found = centred(np.array(values, dtype=float))
    low, high, scale = found["zmin"], found["zmax"], found["colorscale"]
    assert low == min(0, *values) and high >= max(0, *values) and low < high
    assert scale[0][0] == 0 and scale[-1][0] == 1
    [zero] = [place for place, colour in scale if colour == NEUTRAL]
    assert low + zero * (high - low) == pytest.approx(0)
    assert min(values) < 0 or scale[0][1] == NEUTRAL
    assert max(values) > 0 or not any(values) or scale[-1][1] == NEUTRAL
    strongest = scale[-1][1] if high >= -low else scale[0][1]
    assert strongest.upper() == (BLUE if high >= -low else VERMILION).upper()


def test_equally_far_from_zero_is_equally_strong() -> None:
    scale = centred(np.array([-1.0, 4.0]))["colorscale"]
    whole, quarter = far(VERMILION), far(scale[0][1])
    assert quarter == pytest.approx(whole / 4, abs=3) and scale[-1][1].upper() == BLUE


def test_rows_that_differ_by_orders_are_scaled_each_by_itself_and_said_to_be() -> None:
    values = np.array([[0.5, -0.25, 0.1], [0.004, 0.001, -0.002]])
    chart = stratum_heatmap((2, 1), values, PLAYERS, "unit")
    np.testing.assert_allclose(chart.figure.data[0].z, [[1, -0.5, 0.2], [1, 0.25, -0.5]])
    np.testing.assert_allclose(chart.figure.data[0].customdata, values)
    assert "Each row is scaled by itself" in chart.note and chart.note in chart.alt
    assert "largest" in chart.figure.data[0].colorbar.title.text


def test_rows_of_one_order_keep_their_unit() -> None:
    values = np.array([[0.5, -0.25, 0.1], [0.4, 0.1, -0.2]])
    chart = sequence_heatmap(["1", "2"], values, PLAYERS, "unit")
    np.testing.assert_allclose(chart.figure.data[0].z, values)
    assert not chart.note and (chart.figure.data[0].zmin, chart.figure.data[0].zmax) == (-0.25, 0.5)


def test_a_row_of_zeros_divides_by_nothing() -> None:
    values = np.array([[0.5, -0.25, 0.1], [0.0, 0.0, 0.0], [0.01, 0.0, 0.0]])
    chart = stratum_heatmap((3, 2, 1), values, PLAYERS, "unit")
    assert np.isfinite(chart.figure.data[0].z).all()


def test_hovers_have_three_digits() -> None:
    chart = stratum_heatmap((2, 1), np.array([[0.5, -0.25, 0.1], [0.4, 0.1, -0.2]]), PLAYERS, "unit")
    template = chart.figure.data[0].hovertemplate
    assert ",.3r" in template
