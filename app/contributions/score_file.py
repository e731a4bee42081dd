"""A user's own scores of layers, from a CSV: read, or refused with the line that is wrong."""

import math
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pandas as pd

from core.coalitions.measurements import Floats
from core.errors import NotScores

BYTES = 2**20  # more than the scores of any model take
COLUMNS = ("layer", "score")
_FORM = "One line `layer,score` first, then one line for each layer, such as `0,0.12`."
_MOST_NAMED = 5


def read_scores(content: bytes, players: Sequence[str]) -> Floats:
    """The score of each player, (n,), in the order of the model.

    Args:
        content: of a CSV with the columns layer and score, in any order and beside others; UTF-8.
        players: by name.

    Raises:
        NotScores: it is no such table, has an unknown layer, one twice, too many or too few, or a score that is no
            finite number; says in which line.
    """
    table = _table(content, len(players))
    places, scores = {name: place for place, name in enumerate(players)}, np.full(len(players), np.nan)
    for line, (layer, score) in enumerate(table.itertuples(index=False), start=2):
        if not layer and not score:
            continue  # an empty line
        if layer not in places:
            raise NotScores(
                f"Line {line}: there is no layer {_short(layer)}." if layer else f"Line {line} names no layer.",
                f"The layers of this run: {_some(players)}.",
            )
        if not math.isnan(scores[places[layer]]):
            raise NotScores(f"Line {line}: layer {layer} has a score already.", "Each layer has one line.")
        scores[places[layer]] = _number(score, line)
    missing = [name for name, place in places.items() if math.isnan(scores[place])]
    if missing:
        raise NotScores(f"There is no score of layer {_some(missing)}.", f"Each layer needs one. {_FORM}")
    return scores


def _table(content: bytes, players: int) -> pd.DataFrame:
    """The two columns as text, a row for each line after the first, also for an empty one."""
    if len(content) > BYTES:
        raise NotScores(f"The file has {len(content):,} bytes.", f"At most {BYTES:,} are read. {_FORM}")
    try:
        read = pd.read_csv(
            BytesIO(content),
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            skip_blank_lines=False,
            index_col=False,
            encoding="utf-8-sig",
        )
    except UnicodeDecodeError as error:
        raise NotScores("The file is no text in UTF-8.", f"Save it as CSV in UTF-8. {_FORM}") from error
    except pd.errors.EmptyDataError as error:
        raise NotScores("The file is empty.", _FORM) from error
    except (pd.errors.ParserError, ValueError) as error:
        raise NotScores(f"The file is no CSV: {str(error).strip()[:200]}", _FORM) from error
    named = {str(name).strip().lower(): name for name in read.columns}
    lacking = [name for name in COLUMNS if name not in named]
    if lacking:
        raise NotScores(f"Line 1: there is no column {lacking[0]}, but {_some(list(named))}.", _FORM)
    table = read[[named[name] for name in COLUMNS]].apply(lambda column: column.fillna("").str.strip())
    told = table[(table != "").any(axis=1)]
    if len(told) > players:
        raise NotScores(
            f"Line {told.index[players] + 2}: there are more rows than layers, {len(told):,} of {players}.",
            "Each layer has one line.",
        )
    return table


def _number(score: str, line: int) -> float:
    """A finite number, as Python writes one but without underscores."""
    try:
        number = math.nan if "_" in score else float(score)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise NotScores(
            f"Line {line}: {_short(score)} is no number." if score else f"Line {line} has no score.",
            "A score is a finite number with a point, such as 0.12 or -3e-4.",
        )
    return number


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(_short, names[:_MOST_NAMED]))
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
