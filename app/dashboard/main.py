"""The dashboard's entry: which pages there are, and what has to be true before any of them is shown."""

import sys
from pathlib import Path

_HERE = str(Path(__file__).resolve().parents[2])
if _HERE not in sys.path:  # `streamlit run` puts only this file's folder there
    sys.path.insert(0, _HERE)

import streamlit as st  # noqa: E402

from app.dashboard import login, navigation, parts  # noqa: E402
from core.errors import QuorumError  # noqa: E402

# Streamlit writes on a slider and on what is selected in its primary colour, which no theme can make light enough to be
# read on black and dark enough to be read under white, which stands on it in buttons.
LEGIBLE = """<style>
[data-testid=stSliderThumbValue] p, [data-selected=true] p { color: light-dark(#0B5FA5, #6CB4EE) }
</style>"""

# An emoji becomes a data: address; a Material icon would be fetched from another host.
st.set_page_config(page_title="Quorum", page_icon="🗳️", layout="wide")
st.html(LEGIBLE)
login.ask()
page = st.navigation(navigation.pages())
try:
    page.run()
except QuorumError as error:
    parts.show_error(error)
