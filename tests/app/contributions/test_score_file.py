"""A user's scores of layers from a CSV: read whatever its order, and refused with the line and the reason."""

import numpy as np
import pytest

from app.contributions.own_scores import beside, own_table
from app.contributions.score_file import BYTES, read_scores
from app.worker.client import Jobs
from core.errors import NotScores
from tests.support.pages import open_page, said
from tests.support.stored import store_run

PLAYERS = ("0", "1", "2")
GOOD = "layer,score\n0,0.5\n1,-3e-4\n2,7\n"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.rstrip("\n"),
        "Score , LAYER\n7,2\n0.5, 0\n -3e-4,1\n",
        'layer,note,score\n0,first,0.5\n1,,-3e-4\n2,"a, b",7\n',
        "layer,score\n\n0,0.5\n\n1,-3e-4\n2,7\n\n\n",
    ],
    ids=["plain", "a mark of the byte order", "Windows", "no last line break", "in any order", "more columns", "gaps"],
)
def test_scores_come_in_the_order_of_the_model(text: str) -> None:
    np.testing.assert_array_equal(read_scores(text.encode(), PLAYERS), [0.5, -3e-4, 7.0])


def test_halves_and_groups_go_by_their_names() -> None:
    scores = read_scores(b"layer,score\n8-11,2\n3m,1\n3a,0\n", ("3a", "3m", "8-11"))
    np.testing.assert_array_equal(scores, [0, 1, 2])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("layer;score\n0;1\n", "Line 1: there is no column layer, but layer;score"),
        ("layer,value\n0,1\n", "Line 1: there is no column score, but layer, value"),
        ("0,0.5\n1,2\n2,3\n", "Line 1: there is no column layer"),
        (GOOD.replace("1,-3e-4", "31,-3e-4"), "Line 3: there is no layer 31"),
        (GOOD.replace("1,-3e-4", "1.0,-3e-4"), "Line 3: there is no layer 1.0"),
        (GOOD.replace("1,-3e-4", ",-3e-4"), "Line 3 names no layer"),
        (GOOD.replace("1,-3e-4", "1,"), "Line 3 has no score"),
        (GOOD.replace("1,-3e-4", "1"), "Line 3 has no score"),
        (GOOD.replace("-3e-4", "low"), "Line 3: low is no number"),
        (GOOD.replace("-3e-4", "nan"), "Line 3: nan is no number"),
        (GOOD.replace("-3e-4", "inf"), "Line 3: inf is no number"),
        (GOOD.replace("-3e-4", "1_0"), "Line 3: 1_0 is no number"),
        (GOOD.replace("-3e-4", '"0,5"'), "Line 3: 0,5 is no number"),
        (GOOD.replace("2,7", "1,7"), "Line 4: layer 1 has a score already"),
        (GOOD.replace("1,-3e-4\n", ""), "There is no score of layer 1"),
        ("layer,score\n", "There is no score of layer 0, 1, 2"),
        (GOOD + "0,1\n1,2\n", "Line 5: there are more rows than layers, 5 of 3"),
        ("layer,score\n\n0,0.5\n\n1,low\n", "Line 5: low is no number"),
        ("layer,score\n" + "x" * 500 + ",1\n", "…"),
        ("layer,score\n" + "0,1\n" * (BYTES // 4), "At most 1,048,576 are read"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(NotScores) as refused:
        read_scores(text.encode(), PLAYERS)
    assert words in f"{refused.value.message} {refused.value.hint}"
    assert len(refused.value.message) < 300 and refused.value.hint


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00l", b"layer,score\n0,\x80\n", b"PK\x03\x04\x14\x00\xf6", b'layer,score\n"0,1\n']
)
def test_what_is_no_table_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(NotScores):
        read_scores(content, PLAYERS)


def test_ranks_beside_ours() -> None:
    ours, theirs = np.array([0.1, 0.3, 0.2]), np.array([10.0, 20.0, 30.0])
    assert own_table(ours, theirs, PLAYERS, "local")["rank by yours"].tolist() == [1, 2, 3]
    chart = beside(ours, theirs, PLAYERS, "local")
    first, second = chart.figure.data
    np.testing.assert_allclose(first.y, ours / 0.3)
    np.testing.assert_allclose(second.y, theirs / 30)
    assert "Rank correlation 0.500" in chart.alt and "layer 1" in chart.alt


def test_the_page_takes_a_file_keeps_it_and_says_what_is_wrong(shared: Jobs) -> None:
    result = store_run(shared.database)
    page = open_page("contributions", run=result.run, tab="own")
    values = [item.value for item in result.overall]
    rows = "\n".join(f"{layer},{value**3}" for layer, value in enumerate(values))
    page.file_uploader[0].set_value(("mine.csv", f"layer,score\n{rows}".encode(), "text/csv")).run()
    assert not page.exception and "mine.csv has a rank correlation of **1.00**" in said(page)
    shown = next(frame.value for frame in page.dataframe if "your score" in frame.value)
    np.testing.assert_allclose(shown["your score"], np.array(values) ** 3)
    page.get("button_group")[0].set_value("ranks").run()
    assert "rank correlation of" not in said(page)
    page.get("button_group")[0].set_value("own").run()
    assert "has a rank correlation of **1.00**" in said(page), "another tab forgets nothing"
    page.file_uploader[0].set_value(("worse.csv", b"layer,score\n0,1\n77,2\n", "text/csv")).run()
    assert not page.exception and "Line 3: there is no layer 77" in said(page)
