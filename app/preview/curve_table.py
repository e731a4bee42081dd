"""All that the curve of plans shows, as a table: every set that is drawn, and who chose it."""

from collections.abc import Iterable, Mapping

import pandas as pd

from app.preview.steps import Rivals, Step, Steps
from app.words import Players, named


def curve_table(players: Players, best: Steps, ranked: Steps, rivals: Rivals, here: Step | None = None) -> pd.DataFrame:
    """A row for each set whose perplexity is known; arguments as of `curve`, `here` the set on show."""
    drawn: Mapping[str, Iterable[Step]] = {
        "best plans": best.values(),
        "least contribution first": ranked.values(),
        **rivals,
        "this removal": [here] if here is not None else [],
    }
    rows = [
        {
            "chosen by": name,
            "removed": len(step.removed),
            "layers": named(players, step.removed),
            "perplexity": step.perplexity,
            "low (90 %)": step.low,
            "high (90 %)": step.high,
            "source": step.source,
        }
        for name, steps in drawn.items()
        for step in steps
        if step.perplexity is not None
    ]
    return pd.DataFrame(rows)
