"""Two runs compared: the settings that differ, the rank correlation, and which layers are apart."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.example import shipped
from app.runs.compare_figure import comparison_dumbbells, rank_correlation
from app.runs.compare_runs import comparison_table, sentence
from app.runs.settings import parted
from core.records.results import RunResult
from core.records.values import Contribution


def result(run: str, *values: float, half: float = 0.1) -> RunResult:
    """The example's result with other contributions."""
    items = tuple(Contribution(layer, value, value - half, value + half, 0.0) for layer, value in enumerate(values))
    return replace(shipped.example().result, run=run, contributions=items)


def test_rank_correlation_by_hand() -> None:
    """Ranks 1 2 3 4 and 1 3 2 4: 1 - 6 * 2 / (4 * 15)."""
    assert rank_correlation(result("a", 0, 1, 2, 3), result("b", 0.1, 2, 1, 9)) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("values", "half", "said"),
    [
        ((0, 1, 2, 3), 0.1, ("much alike", "1.00", "No layer's")),
        ((0, 2, 1, 3), 0.1, ("somewhat alike", "0.80", "2 of 4 layers: 1, 2.")),
        ((0, 2, 1, 3), 0.9, ("somewhat alike", "0.80", "No layer's")),
        ((3, 2, 1, 0), 0.1, ("differently", "-1.00", "4 of 4 layers: 0, 1, 2, 3.")),
    ],
)
def test_the_sentence(values: tuple[float, ...], half: float, said: tuple[str, ...]) -> None:
    text = sentence(result("a", 0, 1, 2, 3, half=half), result("b", *values, half=half))
    assert all(part in text for part in said), text


def test_figure_and_table_hold_both_runs() -> None:
    first, second = result("a", 0.5, 0.2, 0.1), result("b", 0.4, 0.9, 0.1)
    chart = comparison_dumbbells(first, second)
    assert "differ most on layer 1 (by 0.700)" in chart.alt and "in run a and in run b" in chart.alt
    lines, ours, theirs = chart.figure.data
    assert list(lines.y) == [0.5, 0.4, None, 0.2, 0.9, None, 0.1, 0.1, None]
    assert (list(ours.y), list(theirs.y)) == ([0.5, 0.2, 0.1], [0.4, 0.9, 0.1])
    assert ours.marker.symbol != theirs.marker.symbol, "told apart without colour"
    assert comparison_table(first, second)["difference"].to_list() == pytest.approx([-0.1, 0.7, 0.0])


@given(st.lists(st.fixed_dictionaries({"model": st.sampled_from("ab"), "seed": st.sampled_from("01")}), min_size=1))
def test_each_setting_either_differs_or_is_said_once(every: list[dict[str, str]]) -> None:
    differing, constant = parted(every)
    assert {*differing, *constant} == {"model", "seed"} and not set(differing) & set(constant)
    for one in every:
        assert all(one[name] == value for name, value in constant.items())
    for name in differing:
        assert any(one[name] != every[0][name] for one in every)
