"""Numbers as people read them."""

import math

import pytest

from app.digits import perplexity, significant


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (52464.31, "52,500"),
        (1499300.39, "1,500,000"),
        (113_274_432, "113,000,000"),
        (22.7312, "22.7"),
        (1.5, "1.50"),
        (0.01234, "0.0123"),
        (9.996, "10.0"),
        (99.96, "100"),
        (-0.000123456, "-0.000123"),
        (0.0, "0"),
        (1, "1.00"),
        (3.2e-9, "3.20e-09"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_three_digits_and_no_more(x: float, said: str) -> None:
    assert significant(x) == said


def test_a_number_is_what_it_was_to_three_digits() -> None:
    for power in range(-5, 14):
        for first in (1.0, 1.2345, 4.5678, 9.994, 9.996):
            x = first * 10.0**power
            said = significant(x)
            assert float(said.replace(",", "")) == pytest.approx(x, rel=5.1e-3)
            if power <= 1 and "e" not in said:
                assert len(said.replace(",", "").replace(".", "").lstrip("0")) == 3, said
    assert significant(0.5, "+") == "+0.500" and significant(-0.5, "+") == "-0.500"


def test_above_ten_thousand_a_model_is_ruined() -> None:
    assert perplexity(10_000) == "10,000" and perplexity(10_001) == "ruined"
    assert perplexity(math.inf) == perplexity(math.nan) == "ruined" and perplexity(22.731) == "22.7"
