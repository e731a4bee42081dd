"""A choice that is in the address: a select box, or a click on a chart as its twin."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from app import state, views
from app.charts import Chart


def pick(name: str, label: str, known: Sequence[str], say: Callable[[str], str] = str, help: str | None = None) -> str:
    """A select box whose choice is in the address as ?name=...; the first of `known` is the default.

    What the address asks for and is not known is named as an error, with what there is.
    """
    unknown = state.settle(name, known, known[0])
    if unknown is not None:
        st.error(f"**There is no {label.lower()} {unknown}.**\n\nThere are: {', '.join(known)}.", icon="⚠️")
    return st.selectbox(label, known, format_func=say, help=help, key=name, on_change=state.chose, args=(name,))


def show_clickable(chart: Chart, key: str, name: str) -> None:
    """A chart on which a click on a point chooses for the select box `name`, by the point's first custom datum."""
    views.show_chart(chart, key, partial(state.clicked, key, name))
