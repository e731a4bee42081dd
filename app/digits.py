"""Numbers as people read them: three significant digits at most, and perplexities of ruined models by that word."""

import math

DIGITS = 3
RUINED = 10_000  # a perplexity above it says no more than that the model is ruined
# The same in Plotly's templates of labels, of a number in the place of the dots: `%{y:,.3r}`.
HOVER = ",.3r"
_MANY = 10
_SMALL, _LARGE = 1e-5, 1e15  # what is beyond them is written with a power of ten


def significant(x: float, sign: str = "") -> str:
    """A number with three significant digits: 0.0123, 1.50, 22.7, 52,500. A `sign` of "+" stands before a positive one.

    Zeros at the end that say how exact it is stay; no number is written with more than is known of it.
    """
    if not math.isfinite(x):
        return "–" if math.isnan(x) else f"{'-' if x < 0 else sign}∞"
    if x == 0:
        return "0"
    rounded = float(f"{x:.{DIGITS - 1}e}")
    if not _SMALL <= abs(rounded) < _LARGE:
        return f"{x:{sign}.{DIGITS - 1}e}"
    places = max(0, DIGITS - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:{sign},.{places}f}"


def perplexity(x: float) -> str:
    """A perplexity with three significant digits; one above `RUINED`, or that is no number, is "ruined"."""
    return significant(x) if x <= RUINED else "ruined"


def change(ratio: float) -> str:
    """What a ratio of two perplexities changes: +12.3%, or how many times as much it is where per cent says little."""
    return f"{ratio - 1:+.1%}" if ratio < _MANY else f"× {significant(ratio)}"
