"""The verdict of an audit, in one line; each claim opens from it."""

import streamlit as st

from app.dashboard.estimated import audit_of
from app.foreign import plain
from cache.database import Database
from cache.queries import StoredRun
from core.records.audits import CLAIMS


def show_verdict(database: Database, run: StoredRun) -> None:
    """Whether a finished run holds against what was measured, and on request which of its claims do."""
    found = audit_of(database, run)
    if found is None:
        return
    icon = ":material/verified:" if found.sound else ":material/warning:"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{icon} **Audit:** {plain(found.headline)}.", width="stretch")
        with st.popover("Claims", help="Each claim of this run held against what was measured"):
            for name, part in found.parts.items():
                st.markdown(f"**{CLAIMS[name].capitalize()}** {plain(part.state)}: {plain(part.says)}")
            st.caption(f"The same in a terminal: python -m app audit {plain(run.run)}")
