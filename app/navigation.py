"""Which pages there are, in the order in which they are listed."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

PAGES = Path(__file__).resolve().parent.parent / "pages"


def runs() -> StreamlitPage:
    return st.Page(PAGES / "runs.py", title="Runs", icon=":material/play_circle:", default=True)


def contributions() -> StreamlitPage:
    return st.Page(PAGES / "contributions.py", title="Contributions", icon=":material/bar_chart:")
