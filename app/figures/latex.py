"""A table as LaTeX, with the rules of booktabs: numbers with three significant digits, and any text as text."""

import math
from collections.abc import Iterable
from numbers import Integral, Real

import pandas as pd

from app.digits import significant
from app.foreign import tex


def latex(table: pd.DataFrame) -> str:
    r"""A tabular to be taken in by \input: a column of numbers stands right, any other left."""
    numeric = [pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) for kind in table.dtypes]
    lines = [
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{''.join('r' if number else 'l' for number in numeric)}}}",
        r"\toprule",
        _row(table.columns),
        r"\midrule",
        *(_row(row) for row in table.astype(object).itertuples(index=False, name=None)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join([*lines, ""])


def _row(cells: Iterable[object]) -> str:
    return " & ".join(map(_cell, cells)) + r" \\"


def _cell(value: object) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return "--"
    if isinstance(value, bool) or not isinstance(value, Real):
        return tex(value)
    if isinstance(value, Integral):
        return _signed(str(value))
    number = float(value)
    if math.isfinite(number):
        return _signed(significant(number))
    return "--" if math.isnan(number) else _signed(rf"{'-' * (number < 0)}\infty")


def _signed(number: str) -> str:
    """A number whose sign is a minus and no hyphen."""
    return f"${number}$" if number.startswith(("-", "\\")) else number
