"""Which pages there are, in the order in which they are listed."""

import streamlit as st

from app.root import ROOT

PAGES = ROOT / "pages"


def pages() -> list[st.Page]:
    """All of them; without a heading above, which Streamlit would put among the items of the list."""
    return [runs(), contributions(), interactions(), surrogate(), preview(), export(), learn()]


def runs() -> st.Page:
    return st.Page(PAGES / "runs.py", title="Runs", icon=":material/play_circle:", default=True)


def contributions() -> st.Page:
    return st.Page(PAGES / "contributions.py", title="Contributions", icon=":material/bar_chart:")


def interactions() -> st.Page:
    return st.Page(PAGES / "interactions.py", title="Interactions", icon=":material/grid_on:")


def surrogate() -> st.Page:
    return st.Page(PAGES / "surrogate.py", title="Surrogate", icon=":material/query_stats:")


def preview() -> st.Page:
    return st.Page(PAGES / "preview.py", title="Preview", icon=":material/tune:")


def export() -> st.Page:
    return st.Page(PAGES / "export.py", title="Export", icon=":material/save:")


def learn() -> st.Page:
    return st.Page(PAGES / "learn.py", title="Learn", icon=":material/school:")
