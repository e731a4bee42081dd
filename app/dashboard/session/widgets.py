"""What widgets show and say, by their keys.

A browser takes back what a person does meanwhile wherever a value is set, the same one too: none is set without need.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from core.errors import QuorumError


def settle(name: str, known: Sequence[str], default: str) -> str | None:
    """Picks one of the known under a name: what is `picked` already, what the address asks for, or the default.

    Returns what the address asks for where that is not known; it stays in the address until something is chosen.
    """
    picks, asked = st.session_state.setdefault("picks", {}), st.query_params.get(name)
    if picks.get(name) not in known:
        picks[name] = asked if asked in known else default
    return asked if asked not in (None, *known) else None


def picked(name: str, default: str = "") -> str:
    """What is picked under a name on this page; before, what the address says (?name=...), or else the default."""
    return str(st.session_state.get("picks", {}).get(name, st.query_params.get(name, default)))


def choose(name: str, value: str) -> None:
    """Picks it, and puts it into the address, so that it can be sent to a colleague."""
    st.session_state.setdefault("picks", {})[name] = st.query_params[name] = value


def settle_several(name: str, known: Collection[str], asked: Sequence[str]) -> None:
    """Gives the widget `name` its values: those it has, or else those `asked` for, as far as they are known."""
    values = [value for value in st.session_state.get(name, asked) if value in known]
    if st.session_state.get(name) != values:
        st.session_state[name] = values


def keep(*prefixes: str) -> None:
    """Keeps the values of widgets that the page has not drawn and may draw again, by how their keys begin."""
    for key in list(st.session_state):
        if str(key).startswith(prefixes):
            with suppress(StreamlitAPIException):  # it is drawn, and needs no keeping
                st.session_state[key] = st.session_state[key]


def clicked(chart: str, take: Callable[[str], None]) -> None:
    """Takes a click on a chart as a choice: the first custom datum of the point that was clicked."""
    points = st.session_state[chart]["selection"]["points"]
    if points and points[0].get("customdata"):
        take(str(points[0]["customdata"][0]))


def begin(key: str, value: object) -> None:
    """What a widget shows before anybody has set it."""
    st.session_state.setdefault(key, value)


def set_value(key: str, value: object) -> None:
    """What a widget shows when it is drawn next."""
    st.session_state[key] = value


def value(key: str) -> Any:
    """What a widget was set to."""
    return st.session_state[key]


def key_showing(name: str, shown: Callable[[Any], bool], label: str = "") -> str:
    """The key of a widget that a person sets and that follows what is chosen elsewhere; drawn with that as its default.

    Where it no longer shows that, or under another label, it is replaced by a new widget, and `heed` no longer hears
    it. A browser tells what all of its widgets show, with whatever a person does next: one that was set here and has
    not been drawn there would undo with its old value what was chosen since.

    Args:
        shown: whether a value of the widget is what was chosen.
    """
    drawn = st.session_state.setdefault("drawn-anew", {})
    number, before = drawn.get(name, (0, label))
    key = f"{name}-{number}"
    if before != label or key not in st.session_state or not shown(st.session_state[key]):
        number += 1
    drawn[name] = number, label
    return f"{name}-{number}"


def heed(key: str, act: Callable[[Any], None]) -> Callable[[], None]:
    """What follows when a person sets a widget of `key_showing`: `act` on its value, unless it has been replaced."""

    def hear() -> None:
        name, _, number = key.rpartition("-")
        if st.session_state["drawn-anew"][name][0] == int(number):
            act(st.session_state[key])

    return hear


def tell(name: str, error: QuorumError) -> None:
    """Keeps what went wrong before the page was drawn, for the place where it is to be said."""
    st.session_state[f"told-{name}"] = error


def told(name: str) -> QuorumError | None:
    """What went wrong there, once."""
    error: QuorumError | None = st.session_state.pop(f"told-{name}", None)
    return error
