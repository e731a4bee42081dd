"""The verdict of an audit, in one line."""

import streamlit as st

from app.dashboard.estimated import audit_of
from app.foreign import plain
from cache.database import Database
from cache.queries import StoredRun


def show_verdict(database: Database, run: StoredRun) -> None:
    """What holds of a finished run and what does not: `python -m app audit` says more."""
    found = audit_of(database, run)
    if found is None:
        return
    icon = ":material/verified:" if found.sound else ":material/warning:"
    st.markdown(
        f"{icon} **Audit:** {plain(found.verdict)}.",
        help=plain(f"Each claim of this run held against what was measured: python -m app audit {run.run}"),
    )
