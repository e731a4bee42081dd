"""The terms of a page, explained where a reader asks for them."""

import streamlit as st

from app.glossary import TERMS


def terms_chip(*terms: str) -> None:
    """A small popover beside the title, with some terms of the glossary in the order in which they are named."""
    with st.popover("Terms", help="What the words on this page mean"):
        for term in terms:
            st.markdown(f"**{term}**: {TERMS[term]}")
