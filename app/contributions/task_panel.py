"""What each layer adds to the answers to tasks, beside what it adds to the prediction of the run's text."""

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import estimated, parts, reads
from app.dashboard.tables import by_layer_table, draw_table, show_table
from app.figures.heatmaps import worth_heatmap
from app.foreign import plain
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.ranks import rank_correlations
from core.coalitions.worth import LOG_SCORE
from core.records.results import RunResult


def show_tasks(database: Database, run: StoredRun, result: RunResult) -> None:
    """Layers by tasks, as far as the command line has asked them: their items are files, or on the Hub."""
    players = result.model.players
    found = reads.needs(database, run.run, len(players))
    if not found:
        st.info(
            "No task has been asked yet. Items are files or on the Hub, and every coalition answers them all: "
            f"`python -m app needs {plain(run.run)} --tasks arc_easy,lambada_openai --limit 50`"
        )
        return
    kind = found[0].values.kind
    text = estimated.valued(database, run, kind, LOG_SCORE.name)
    rows = {"text": np.array([item.value for item in text.items])}
    rows |= {
        f"{one.task}, {one.answers}": np.array([item.value for item in one.values.values])
        for one in found
        if one.values.kind == kind
    }
    st.markdown(
        f"{plain(kind.capitalize())} values (estimated). **Each row is divided by its own largest absolute value**; "
        "the first is of the run's text."
    )
    parts.show_chart(worth_heatmap(rows, players), key="tasks")
    alike = pd.DataFrame(rank_correlations(list(rows.values())), columns=list(rows))
    alike.insert(0, "rank correlation", list(rows))
    draw_table(alike, "How alike the rankings of layers are", f"task-ranks-{run.run}")
    with st.popover("How measured"):
        for one in found:
            st.markdown(
                f"{plain(one.worth)}; {one.masks:d} coalitions. Halves of the items agree on ranks at {one.halves:.2f}."
            )
    table = by_layer_table("worth", list(rows), np.stack(list(rows.values())), players)
    show_table(table, "Value of each layer for each task, not divided", f"by-task-{run.run}")
