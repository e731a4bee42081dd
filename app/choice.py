"""A choice that is in the address, as a select box; a click on a chart is its twin (`app.views.show_chart`)."""

from collections.abc import Callable, Sequence

import streamlit as st

from app import state, views


def pick(name: str, label: str, known: Sequence[str], say: Callable[[str], str] = str, help: str | None = None) -> str:
    """A select box whose choice is in the address as ?name=...; the first of `known` is the default.

    What the address asks for and is not known is named as an error, with what there is.
    """
    unknown = state.settle(name, known, known[0])
    if unknown is not None:
        views.show_failure(f"There is no {label.lower()} {unknown}.", f"There are: {', '.join(known)}.")
    return st.selectbox(label, known, format_func=say, help=help, key=name, on_change=state.chose, args=(name,))
