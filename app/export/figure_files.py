"""The figures of a run as files of a folder: of each its data (CSV, LaTeX), a page that needs no network, and SVG."""

from pathlib import Path

import pandas as pd

from app.export.report import figure_page, strip_page
from app.export.run_figures import run_figures
from app.export.vector import vectors
from app.figures.latex import latex
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
    texts = {"strip.html": strip_page(result, removed), "strip.svg": strip_drawing(removed, result)}
    found = run_figures(database, run, removed)
    texts |= {f"{name}.svg": drawing for name, drawing in vectors(found).items()}
    texts |= {f"{figure.name}.html": figure_page(result, figure) for figure in found}
    tables = {"strip": strip_table(result, removed)} | {figure.name: figure.table for figure in found}
    for name, table in tables.items():
        texts |= {f"{name}.csv": table.to_csv(index=False), f"{name}.tex": latex(table)}
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
