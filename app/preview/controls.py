"""Which layers are switched off: a slider and its keys, a strip of layers, a loss to accept, and the way back.

All of them change the one removal that `app.dashboard.session` keeps for the session and the address; each is drawn
from it.
"""

from collections.abc import Callable
from functools import partial
from operator import eq

import streamlit as st

from app.dashboard import parts
from app.dashboard.session import state, widgets
from app.figures.strip import switches
from app.preview.steps import Steps, most_within
from app.words import named, numbers
from core.errors import SelectionError
from core.records.results import RunResult
from core.selection.targets import ACCEPTED


def show_slider(run: str, result: RunResult, removed: tuple[int, ...], steps: Steps) -> None:
    """How many layers go, with a key for one more and one for one less."""
    layers, count = len(result.model.players), min(len(removed), max(steps))
    slider = widgets.key_showing(f"count-{run}", partial(eq, count))

    def stop_at(new: int) -> None:
        fewer = [size for size in steps if size <= new]
        state.remove(run, steps[max(fewer)].removed if fewer else ())

    def one_less() -> None:
        stop_at(max((size for size in steps if size < gone()), default=0))

    def one_more() -> None:
        if more := [size for size in steps if size > gone()]:
            stop_at(min(more))

    def gone() -> int:
        # Not as drawn: the next press comes before the page is drawn anew.
        return len(state.removal(run) or ())

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(r"Fewer \[", key="one-less", on_click=one_less, disabled=not removed, help="One layer less")
        st.select_slider(
            "Layers removed",
            range(max(steps) + 1),
            count,
            key=slider,
            format_func=lambda size: f"{size} of {layers} ({size / layers:.0%})",
            on_change=widgets.heed(slider, stop_at),
        )
        last = len(removed) >= max(steps)
        st.button(r"More \]", key="one-more", on_click=one_more, disabled=last, help="One layer more")


def show_strip(run: str, result: RunResult, removed: tuple[int, ...]) -> None:
    """A button for each layer, coloured by its contribution, and the names of those that go, to be typed."""
    players, layers = result.model.players, range(len(result.model.players))
    kept, names = [layer for layer in layers if layer not in removed], named(players, removed)
    strip = widgets.key_showing(f"strip-{run}", lambda layers: sorted(layers) == kept)
    typed = widgets.key_showing(f"typed-{run}", partial(eq, names))
    st.html(switches(f"strip-{run}", result))
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    with left, st.container(key=f"strip-{run}"):
        st.pills(
            "Layers, the bluer the more needed: click to take out or back",
            layers,
            format_func=players.__getitem__,
            selection_mode="multi",
            default=kept,
            wrap=True,
            key=strip,
            on_change=widgets.heed(strip, partial(_toggle, run, len(players))),
        )
    right.text_input(
        "Removed",
        names,
        key=typed,
        on_change=widgets.heed(typed, partial(_type, run, players)),
        help="Names, commas between",
    )
    if (error := widgets.told(f"typed-{run}")) is not None:
        parts.show_error(error)


def show_ways_back(run: str) -> None:
    """Undo, and everything back."""
    with st.container(horizontal=True):
        st.button(
            "Undo U",
            icon=":material/undo:",
            key="undo",
            disabled=state.removal(run, back=1) is None,
            on_click=state.undo_removal,
            args=(run,),
        )
        st.button("Restore all", icon=":material/restart_alt:", on_click=state.remove, args=(run, ()))


def show_accepted(run: str, result: RunResult, steps: Steps) -> float:
    """How much worse the perplexity may be; a change moves to the furthest set within it. Returns the share."""
    key = f"accepted-{run}"
    widgets.begin(key, 100 * ACCEPTED)
    st.number_input(
        "Accept % more perplexity",
        1.0,
        10_000.0,
        step=5.0,
        key=key,
        on_change=lambda: _accept(run, result, steps, widgets.value(key) / 100),
        help="Goes to the largest set that costs at most so much, by what the curve shows: measured, or predicted "
        "where it says so",
    )
    if (error := widgets.told(key)) is not None:
        parts.show_error(error)
    accepted: float = widgets.value(key)
    return accepted / 100


def taking(run: str, result: RunResult) -> Callable[[str], None]:
    """What a click on a point of the curve does: the point's layers are switched off."""
    return lambda names: state.remove(run, numbers(result.model.players, names))


def _toggle(run: str, layers: int, kept: list[int]) -> None:
    """What the strip says; the last layer stays."""
    if kept:
        state.remove(run, [layer for layer in range(layers) if layer not in kept])


def _type(run: str, players: tuple[str, ...], names: str) -> None:
    try:
        state.remove(run, numbers(players, names))
    except SelectionError as error:
        widgets.tell(f"typed-{run}", error)


def _accept(run: str, result: RunResult, steps: Steps, accepted: float) -> None:
    """Moves to the largest set within the bound, or says how near the best one comes."""
    if count := most_within(result, steps, accepted):
        state.remove(run, steps[count].removed)
        return
    known = [step.perplexity for step in steps.values() if step.perplexity is not None]
    near = (
        f"The best one is {min(known) / result.dense_perplexity - 1:+.1%}: allow more, or search" if known else "Search"
    )
    widgets.tell(
        f"accepted-{run}", SelectionError(f"No set stays within {accepted:.0%}.", f"{near} for better plans below.")
    )
