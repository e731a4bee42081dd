"""The calibration matrix of a run's model: what plans that were chosen on one text cost on the others."""

import numpy as np
import pandas as pd
import streamlit as st

from app.contributions.calibration_matrix import CalibrationMatrix, command, measured_matrix
from app.dashboard import parts
from app.dashboard.tables import show_table
from app.digits import change, perplexity, significant
from app.export.recipe_panel import PLAIN
from app.figures.cells import DARKEST, written_cells
from app.figures.charts import NEUTRAL, Chart, mixed
from app.foreign import plain
from app.words import called, named
from cache.database import Database
from cache.queries import StoredRun


def show_matrix(database: Database, run: StoredRun) -> None:
    """The matrix of one number of removed layers, with its protocols; where nothing is measured, what measures it."""
    found = measured_matrix(database, run)
    if found is None:
        st.markdown("No plan of this run has been judged on another text yet. This measures it:")
        st.code(command(run.resolved), language=PLAIN, wrap_lines=True)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = int(parts.pick("removed", "Layers removed", list(map(str, found.plans)), row=True))
        with st.popover("Protocols", help="How the figures of this matrix were measured"):
            for protocol, dense in zip(found.judges, found.dense, strict=True):
                st.markdown(f"{plain(protocol)}; dense perplexity {perplexity(dense)} (measured)")
    st.markdown(sentence(found, count))
    parts.show_chart(matrix_chart(found, count), key="calibration-matrix")
    table = matrix_table(found)
    show_table(table, "Perplexity over the whole model's of each plan on each text", f"matrix-{run.run}")


def sentence(found: CalibrationMatrix, count: int) -> str:
    """What it costs at most that a plan was chosen on another text."""
    ratios, texts = found.ratios(count), _texts(found)
    more = ratios / ratios.diagonal()
    np.fill_diagonal(more, np.nan)
    if np.isnan(more).all():
        return "Perplexity over the whole model's (measured)."
    on, judged = np.unravel_index(np.nanargmax(more), more.shape)
    if more[on, judged] <= 1:
        return "On no text does a plan that was chosen on another one cost more than its own (measured)."
    return (
        f"On {plain(texts[judged])}, perplexity is **{change(more[on, judged])}** with the plan chosen on "
        f"{plain(texts[on])} against the one chosen on {plain(texts[judged])}: the most of all pairs (measured)."
    )


def matrix_chart(found: CalibrationMatrix, count: int) -> Chart:
    """Rows: the text that the plan was chosen on; columns: the one that judges. Darker costs more."""
    ratios, texts = found.ratios(count), _texts(found)
    written = [["–" if np.isnan(ratio) else significant(ratio) for ratio in row] for row in ratios]
    costs = np.log(ratios)
    scale = {
        "zmin": min(0.0, float(np.nanmin(costs))),
        "zmax": float(np.nanmax(costs)),
        "colorscale": [[0, NEUTRAL], [1, mixed(DARKEST)]],
    }
    figure = written_cells([f"on {text}" for text in texts], texts, costs, written, scale)
    figure.update_layout(xaxis={"title": "judged on"}, yaxis={"title": f"{count} removed, chosen"})
    alt = (
        f"Matrix: perplexity over the whole model's without {count} layers, chosen on each of {len(texts)} texts and "
        f"judged on each, from {significant(float(np.nanmin(ratios)))} to {significant(float(np.nanmax(ratios)))}."
    )
    return Chart(figure, alt)


def matrix_table(found: CalibrationMatrix) -> pd.DataFrame:
    """All counts, one below the other: the layers of each plan, and its ratios."""
    texts = _texts(found)
    rows = [
        {
            "removed": count,
            "chosen on": text,
            "layers": named(found.players, plan.removed),
            **{f"judged on {judge}": ratio for judge, ratio in zip(texts, row, strict=True)},
        }
        for count, plans in found.plans.items()
        for text, plan, row in zip(texts, plans, found.ratios(count), strict=True)
    ]
    return pd.DataFrame(rows)


def _texts(found: CalibrationMatrix) -> list[str]:
    return [called(protocol.corpus) for protocol in found.judges]
