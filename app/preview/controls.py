"""Which layers are switched off: a slider and its keys, a strip of layers, a loss to accept, and the way back.

All of them change the one removal that `app.dashboard.state` keeps for the session and the address; each is drawn
from it.
"""

from collections.abc import Callable

import streamlit as st

from app.dashboard import parts, state
from app.figures.strip import switches
from app.preview.steps import Steps, most_within
from app.words import named, numbers
from core.errors import SelectionError
from core.records.results import RunResult
from core.selection.targets import ACCEPTED


def show_slider(run: str, result: RunResult, removed: tuple[int, ...], steps: Steps) -> None:
    """How many layers go, with a key for one more and one for one less."""
    layers, count, slider = len(result.model.players), min(len(removed), max(steps)), f"count-{run}"
    state.set_widget(slider, count)

    def stop_at(new: int) -> None:
        fewer = [size for size in steps if size <= new]
        state.remove(run, steps[max(fewer)].removed if fewer else ())

    with st.container(horizontal=True, vertical_alignment="bottom"):
        fewer = max((size for size in steps if size < len(removed)), default=0)
        st.button(
            r"Fewer \[", key="one-less", on_click=stop_at, args=(fewer,), disabled=not removed, help="One layer less"
        )
        st.select_slider(
            "Layers removed",
            range(max(steps) + 1),
            key=slider,
            format_func=lambda size: f"{size} of {layers} ({size / layers:.0%})",
            on_change=lambda: stop_at(state.widget(slider)),
        )
        more = min((size for size in steps if size > len(removed)), default=None)
        st.button(
            r"More \]", key="one-more", on_click=stop_at, args=(more,), disabled=more is None, help="One layer more"
        )


def show_strip(run: str, result: RunResult, removed: tuple[int, ...]) -> None:
    """A button for each layer, coloured by its contribution, and the names of those that go, to be typed."""
    players, strip, typed = result.model.players, f"strip-{run}", f"typed-{run}"
    layers = range(len(players))
    state.set_widget(strip, [layer for layer in layers if layer not in removed])
    state.set_widget(typed, named(players, removed))
    st.html(switches(strip, result))
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    left.pills(
        "Layers, the bluer the more needed: click to take out or back",
        layers,
        format_func=players.__getitem__,
        selection_mode="multi",
        wrap=True,
        key=strip,
        on_change=lambda: _toggle(run, len(players), state.widget(strip)),
    )
    right.text_input(
        "Removed", key=typed, on_change=lambda: _type(run, players, state.widget(typed)), help="Names, commas between"
    )
    if (error := state.told(typed)) is not None:
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
    state.begin(key, 100 * ACCEPTED)
    st.number_input(
        "Accept % more perplexity",
        1.0,
        10_000.0,
        step=5.0,
        key=key,
        on_change=lambda: _accept(run, result, steps, state.widget(key) / 100),
        help="Goes to the largest set that costs at most so much, by what the curve shows: measured, or predicted "
        "where it says so",
    )
    if (error := state.told(key)) is not None:
        parts.show_error(error)
    accepted: float = state.widget(key)
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
        state.tell(f"typed-{run}", error)


def _accept(run: str, result: RunResult, steps: Steps, accepted: float) -> None:
    """Moves to the largest set within the bound, or says how near the best one comes."""
    if count := most_within(result, steps, accepted):
        state.remove(run, steps[count].removed)
        return
    known = [step.perplexity for step in steps.values() if step.perplexity is not None]
    near = (
        f"The best one is {min(known) / result.dense_perplexity - 1:+.1%}: allow more, or search" if known else "Search"
    )
    state.tell(
        f"accepted-{run}", SelectionError(f"No set stays within {accepted:.0%}.", f"{near} for better plans below.")
    )
