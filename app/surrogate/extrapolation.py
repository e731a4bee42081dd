"""What it costs to ask a surrogate about larger removals than it has seen."""

import streamlit as st

from app.dashboard.tables import draw_table
from app.surrogate.fit_tables import beyond_table
from core.records.diagnostics import Beyond
from core.records.results import RunResult


def show_beyond(result: RunResult, beyond: Beyond | None) -> None:
    """What it costs to ask about larger removals than were measured."""
    if beyond is None:
        st.info("All coalitions of this run keep nearly the same number of layers, so that this cannot be tested.")
        return
    sizes = f"{beyond.fewest} to {beyond.most}" if beyond.fewest < beyond.most else str(beyond.most)
    st.markdown(
        f"Sets with {sizes} of {len(result.model.players)} layers kept are the largest removals of this run. Here each "
        "kind predicts them twice: having seen others of these sizes (*sizes seen*), and from larger sets alone "
        f"(*extrapolated*). The 90 % interval that larger sets give held **{beyond.coverage:.0%}** of them."
    )
    table = beyond_table(beyond)
    alt = "Error on the largest removals, with and without having seen such sizes"
    draw_table(table, alt, f"beyond-{result.run}")
    st.caption(
        f"{beyond.masks} coalitions, held out either way. Factors: the exponential of the mean absolute error of the "
        "log score."
    )
