"""The dashboard's entry: which pages there are, and what has to be true before any of them is shown."""

import sys
from pathlib import Path

_HERE = str(Path(__file__).resolve().parents[2])
if _HERE not in sys.path:  # `streamlit run` puts only this file's folder there
    sys.path.insert(0, _HERE)

import streamlit as st  # noqa: E402

from app.dashboard import login, navigation, parts, sidebar  # noqa: E402
from app.dashboard.session import state  # noqa: E402
from app.worker import client  # noqa: E402
from core.errors import CacheBusy, QuorumError  # noqa: E402

# Streamlit writes on a slider and on what is selected in its primary colour, which no theme can make light enough to be
# read on black and dark enough to be read under white, which stands on it in buttons.
LEGIBLE = """<style>
[data-testid=stSliderThumbValue] p, [data-selected=true] p { color: light-dark(#0B5FA5, #6CB4EE) }
</style>"""
# The title stands beside Streamlit's own menu, which is transparent: nothing empty is above it. Lines of text stay as
# short as can be read. On a phone the button that opens the sidebar has the place beside the title.
LAYOUT = """<style>
[data-testid=stMainBlockContainer] { max-width: 1600px; margin: 0 auto; padding: 1rem 2.5rem 3rem }
[data-testid=stHeader] { background: none; pointer-events: none }
[data-testid=stHeader] :is(button, a, [role=button]) { pointer-events: auto }
[data-testid=stMain] [data-testid=stMarkdownContainer] > :is(p, ul, ol) { max-width: 62rem }
[data-testid=stMain] h1 { padding-top: 0.25rem }
.st-key-to-export a { background: light-dark(#0B5FA5, #1976D2); justify-content: center }
.st-key-to-export a:hover { filter: brightness(1.15) }
.st-key-to-export a * { color: white !important; font-weight: 600 }
.st-key-to-export a[disabled] { opacity: 0.4 }
[data-testid=stSidebar] [data-testid=stSelectbox] input { font-size: 0.8rem }
[data-testid=stSidebarHeader] { height: 2.5rem; margin-bottom: 0 }
@media (max-width: 768px) { [data-testid=stMainBlockContainer] { padding: 3.25rem 1rem 3rem } }
</style>"""

# An emoji becomes a data: address; a Material icon would be fetched from another host.
st.set_page_config(page_title="Quorum", page_icon="🗳️", layout="wide")
st.html(LEGIBLE + LAYOUT)
login.ask()
page = st.navigation(navigation.pages())
try:
    shared = client.shared()
    runs = parts.stored_runs(shared.database)
    sidebar.show(shared, runs, follow=page.url_path == "")
    parts.check_address(runs, page)
    state.enter(page.url_path)
    page.run()
except QuorumError as error:
    parts.show_error(error)
    if isinstance(error, CacheBusy):
        sidebar.try_again()
