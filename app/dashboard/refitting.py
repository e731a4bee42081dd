"""What the estimates on a page rest on: the run's own coalitions, or a refit that somebody asks for, by the address."""

from dataclasses import replace

import streamlit as st

from app.dashboard import parts, reads
from app.dashboard.session import state
from cache.database import Database
from cache.queries import StoredRun


def offered(database: Database, run: StoredRun) -> StoredRun:
    """The run with the refit that the address or this session asks for, and the way to one, and back.

    A refit is named by how many coalitions it takes, so that its address gives the same numbers when there are more.
    """
    if run.status == "running":
        return run
    own, every = reads.basis(database, run).total, reads.usable(database, run.game)
    asked = state.refit(run.run)
    chosen = run
    if asked is not None and asked.isdecimal() and own < int(asked) <= every:
        chosen = replace(run, refit=int(asked))
        state.remember_refit(run.run, int(asked))
    elif asked is not None:
        there = f"{every:,} are measured of this game" + (f", {own:,} of them by this run" if own < every else "")
        parts.show_failure(f"There is no refit with {asked} evaluations.", f"{there[0].upper()}{there[1:]}.")
    if own < every:
        _show(database, chosen, every)
    return chosen


def _show(database: Database, run: StoredRun, every: int) -> None:
    """What estimates rest on, and buttons that change it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Estimates rest on: {reads.basis(database, run)}.", width="content")
        if run.refit != every:
            st.button(
                f"Refit with all {every:,} evaluations of this game",
                icon=":material/model_training:",
                on_click=state.remember_refit,
                args=(run.run, every),
                help="What-ifs, searches and other runs have measured more than this run; its own figures stay",
            )
        if run.refit is not None:
            st.button(
                "Back to the run's own coalitions",
                icon=":material/undo:",
                on_click=state.remember_refit,
                args=(run.run, None),
            )
