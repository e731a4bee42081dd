"""Which pages there are, in the order in which they are listed."""

from pathlib import Path

import streamlit as st

PAGES = Path(__file__).resolve().parent.parent / "pages"


def pages() -> list[st.Page]:
    """All of them; without a heading above, which Streamlit would put among the items of the list."""
    return [runs(), contributions(), interactions()]


def runs() -> st.Page:
    return st.Page(PAGES / "runs.py", title="Runs", icon=":material/play_circle:", default=True)


def interactions() -> st.Page:
    return st.Page(PAGES / "interactions.py", title="Interactions", icon=":material/grid_on:")


def contributions() -> st.Page:
    return st.Page(PAGES / "contributions.py", title="Contributions", icon=":material/bar_chart:")
