"""Any number of runs compared: on one chart each, by rank correlations, and by the settings that differ."""

from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from app.comparing.compare_figure import contributions_overlaid, correlation_matrix, curves_overlaid
from app.comparing.compare_runs import contribution_table, curve_table, sentence
from app.comparing.rank_agreement import correlations
from app.example import shipped
from app.preview.steps import Step
from app.runs.settings import parted
from app.worker.client import Jobs
from core.records.results import RunResult
from core.records.spec import RunSpec
from core.records.values import Contribution
from tests.support.finished import Finished
from tests.support.pages import links, open_page, said


def result(run: str, *values: float, half: float = 0.1) -> RunResult:
    """The example's result with other contributions, of as many layers."""
    items = tuple(Contribution(layer, value, value - half, value + half, 0.0) for layer, value in enumerate(values))
    shown = shipped.example().result
    model = replace(shown.model, layers=len(values), players=())
    return replace(shown, run=run, model=model, contributions=items)


def test_rank_correlations_by_hand_and_of_other_depth() -> None:
    """Ranks 1 2 3 4 and 1 3 2 4: 1 - 6 * 2 / (4 * 15). Of seven layers, every other one is as deep as one of four."""
    four, other = result("a", 0, 1, 2, 3), result("b", 0.1, 2, 1, 9)
    seven = result("c", 0, 7, 2, -9, 1, 50, 3)
    found = correlations((four, other, seven))
    np.testing.assert_allclose(found, [[1, 0.8, 0.8], [0.8, 1, 1], [0.8, 1, 1]])
    uneven = result("d", *np.random.default_rng(0).normal(size=6))
    between = np.interp([0, 1 / 3, 2 / 3, 1], np.arange(6) / 5, [item.value for item in uneven.overall])
    expected = spearmanr([0, 1, 2, 3], between).statistic
    assert correlations((uneven, four))[0, 1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "half", "said"),
    [
        ((0, 1, 2, 3), 0.1, ("much alike", "1.00", "No layer's")),
        ((0, 2, 1, 3), 0.1, ("somewhat alike", "0.80", "2 of 4 layers: 1, 2.")),
        ((0, 2, 1, 3), 0.9, ("somewhat alike", "0.80", "No layer's")),
        ((3, 2, 1, 0), 0.1, ("differently", "-1.00", "4 of 4 layers: 0, 1, 2, 3.")),
        ((0, 1, 2), 0.1, ("much alike", "1.00", "interpolated on relative depth")),
    ],
)
def test_the_sentence_of_two(values: tuple[float, ...], half: float, said: tuple[str, ...]) -> None:
    both = {"a": result("a", 0, 1, 2, 3, half=half), "b": result("b", *values, half=half)}
    text = sentence(both, correlations(tuple(both.values())))
    assert all(part in text for part in said), text
    assert ("interpolated" in text) == (len(values) != 4)


def test_the_sentence_of_more() -> None:
    every = {name: result(name, *values) for name, values in (("a", (0, 1, 2)), ("b", (1, 0, 2)), ("c", (2, 1, 0)))}
    text = sentence(every, correlations(tuple(every.values())))
    assert "least between `c` and `a`" in text and "**-1.00**" in text
    assert "most between `b` and `a`" in text and "**0.50**" in text


def test_four_runs_on_one_chart() -> None:
    every = {name: result(name, *np.linspace(0, 1, 3) * number) for number, name in enumerate("abcd", 1)}
    chart = contributions_overlaid(every)
    assert [list(line.y) for line in chart.figure.data] == [[0, 0.5 * n, n] for n in (1, 2, 3, 4)]
    assert all(list(line.x) == ["0", "1", "2"] for line in chart.figure.data), "by layer, where all have the same"
    looks = {(line.line.color, line.marker.symbol, line.line.dash) for line in chart.figure.data}
    assert len(looks) == len({symbol for _, symbol, _ in looks}) == 4, "told apart without colour"
    every["d"] = result("d", 0, 1, 2, 3, 4)
    chart = contributions_overlaid(every)
    assert [list(line.x) for line in chart.figure.data] == [[0, 0.5, 1]] * 3 + [[0, 0.25, 0.5, 0.75, 1]]
    assert "by relative depth" in chart.alt
    table = contribution_table(every)
    assert len(table) == 14 and table["relative depth"].to_list()[-5:] == [0, 0.25, 0.5, 0.75, 1]


def test_curves_are_ratios_by_share_of_layers() -> None:
    both = {"a": result("a", 0, 1, 2, 3), "b": result("b", 0, 1), "none": result("none", 0, 1)}
    dense = both["a"].dense_perplexity
    steps = {count: Step(tuple(range(count)), dense * 2**count, dense, dense * 9, "measured") for count in (1, 2)}
    plans = {"a": steps, "b": {1: replace(steps[1], perplexity=dense * 300)}, "none": {}}
    chart = curves_overlaid(both, plans)
    assert [line.name for line in chart.figure.data] == ["a", "b"]
    assert [list(line.x) for line in chart.figure.data] == [[0, 0.25, 0.5], [0, 0.5]]
    np.testing.assert_allclose(chart.figure.data[0].y, [1, 2, 4])
    assert tuple(chart.figure.layout.yaxis.range) == (-0.05, 2), "what is ruined does not press the others flat"
    table = curve_table(both, plans)
    np.testing.assert_allclose(table["perplexity / whole model's"], [2, 4, 300])
    assert table["layers"].to_list() == ["0", "0, 1", "0"]


def test_matrix_says_the_numbers_in_its_cells() -> None:
    chart = correlation_matrix(["a", "b"], np.array([[1, -0.256], [-0.256, 1]]))
    [cells] = chart.figure.data
    assert [list(row) for row in cells.text] == [["1.00", "-0.26"], ["-0.26", "1.00"]]


def test_runs_of_different_players_on_the_page(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    specs = [spec, replace(spec, masks=60), replace(spec, window=20), replace(spec, players="sublayer")]
    first, *others = finished(*specs)
    page = open_page(compare=",".join([first, *others]))
    assert page.query_params["run"] == first and page.query_params["compare"] == ",".join(others)
    differing = next(frame.value for frame in page.dataframe if "setting" in frame.value).set_index("setting")
    assert list(differing.columns) == [first, *others] and set(differing.index) >= {
        "coalitions",
        "sequences",
        "players",
    }
    assert "seed" not in differing.index and "interpolated on relative depth" in said(page)
    assert "perplexities do not compare" in said(page) and "No search yet" in said(page)
    assert len(page.main.get("plotly_chart")) == 2, "contributions and rank correlations, in the place of a new run"
    assert "New run" not in said(page)
    table = next(frame.value for frame in page.dataframe if "relative depth" in frame.value)
    assert table.groupby("run", sort=False).size().to_list() == [8, 8, 8, 16]
    [ranks] = [frame.value for frame in page.dataframe if list(frame.value.columns[1:]) == [first, *others]][-1:]
    assert np.diag(ranks.iloc[:, 1:]).tolist() == [1] * 4
    [box] = page.multiselect
    box.set_value(others[:1]).run()
    assert page.query_params["compare"] == others[0] and "do not compare" not in said(page)
    page.multiselect[0].set_value([]).run()
    assert "compare" not in page.query_params and "Spearman" not in said(page)
    assert "New run" in said(page) or "Another run" in said(page), "and all is as before"
    page = open_page(run=first, compare=f"{others[0]},nonesuch")
    assert "There is no run nonesuch here" in said(page)
    assert {"run": [first], "compare": [others[0]]} in [parse_qs(query) for _, query in links(page)]


@given(st.lists(st.fixed_dictionaries({"model": st.sampled_from("ab"), "seed": st.sampled_from("01")}), min_size=1))
def test_each_setting_either_differs_or_is_said_once(every: list[dict[str, str]]) -> None:
    differing, constant = parted(every)
    assert {*differing, *constant} == {"model", "seed"} and not set(differing) & set(constant)
    for one in every:
        assert all(one[name] == value for name, value in constant.items())
    for name in differing:
        assert any(one[name] != every[0][name] for one in every)
