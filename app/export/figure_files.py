"""The figures of a run as files of a folder: of each its data, a page that needs no network, and SVG if it can be."""

from pathlib import Path

import pandas as pd

from app.export.report import figure_page, strip_page
from app.export.run_figures import run_figures
from app.export.vector import vectors
from app.figures.strip import strip_drawing
from app.words import labels
from cache.database import Database
from cache.queries import StoredRun
from core.records.results import RunResult
from core.unfinished import unfinished


def write_figures(database: Database, run: StoredRun, removed: tuple[int, ...], out: Path) -> list[str]:
    """Makes the folder `out`, all of it or nothing, and gives the names of its files.

    Raises:
        NotWritable, DiskFull.
    """
    result = run.result
    assert result is not None
    texts = {"strip.html": strip_page(result, removed), "strip.csv": strip_table(result, removed).to_csv(index=False)}
    texts["strip.svg"] = strip_drawing(removed, result)
    found = run_figures(database, run, removed)
    texts |= {f"{name}.svg": drawing for name, drawing in vectors(found).items()}
    for figure in found:
        texts[f"{figure.name}.html"] = figure_page(result, figure)
        texts[f"{figure.name}.csv"] = figure.table.to_csv(index=False)
    with unfinished(out) as folder:
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
    return sorted(texts)


def strip_table(result: RunResult, removed: tuple[int, ...]) -> pd.DataFrame:
    """Every layer in the order of the model, with what its square of the strip shows."""
    known = labels(result.model.players)
    rows = [
        {"layer": known[item.layer], "contribution": item.value, "removed": item.layer in removed}
        for item in result.overall
    ]
    return pd.DataFrame(rows)
