"""A choice that is in the address; a click on a chart is its twin (`app.dashboard.parts.show_chart`)."""

from collections.abc import Callable, Sequence

import streamlit as st

from app.dashboard import parts, state


def pick(name: str, label: str, known: Sequence[str], say: Callable[[str], str] = str, *, row: bool = False) -> str:
    """A select box, or a row of buttons, whose choice is in the address as ?name=...; the first is the default.

    What the address asks for and is not known is named as an error, with what there is.
    """
    unknown = state.settle(name, known, known[0])
    if unknown is not None:
        parts.show_failure(f"There is no {label.lower()} {unknown}.", f"There are: {', '.join(known)}.")
    if row:
        return st.segmented_control(
            label, known, format_func=say, key=name, on_change=state.chose, args=(name,), required=True
        )
    return st.selectbox(label, known, format_func=say, key=name, on_change=state.chose, args=(name,))
