"""Which layers are switched off: a slider, a strip of layers, a bound on the perplexity, and the way back.

All of them change the one removal that `app.dashboard.state` keeps for the session and the address; each is drawn
from it.
"""

from collections.abc import Mapping

import streamlit as st

from app.dashboard import parts, state
from app.words import Players, named, numbers
from core.errors import SelectionError
from core.records.plans import Selection
from core.records.results import RunResult
from core.selection.removal_paths import least_contributing

Sets = Mapping[int, tuple[int, ...]]  # for each number of removed layers, which ones


def ranked(result: RunResult) -> Sets:
    """The paper's ranking as sets of 1 to half of the layers."""
    return {count: least_contributing(result.overall, count) for count in range(1, 1 + len(result.model.players) // 2)}


def best(found: Selection | None) -> Sets:
    """The plans of a search as sets; none before it."""
    return {plan.count: plan.removed for plan in found.plans} if found is not None else {}


def current(run: str, players: Players, sets: Sets) -> tuple[int, ...]:
    """The removal on show: the session's, the address's, or the usual one.

    Raises:
        SelectionError: the address asks for what there is not; it stays as it is until something is chosen.
    """
    found = state.removal(run)
    if found is None:
        found = _asked(players, sets)
        state.remove(run, found)
    state.show_removal(named(players, found, ","))
    return found


def usual(players: Players, sets: Sets) -> tuple[int, ...]:
    """The set that removes about a fifth of the layers."""
    return sets[min(sets, key=lambda count: abs(count - len(players) / 5))]


def _asked(players: Players, sets: Sets) -> tuple[int, ...]:
    """What the address switches off: the layers that it names (?remove=3,7), the set of so many (?k=6), or the usual.

    Raises:
        SelectionError: there are no such layers, or no set of so many.
    """
    names, count = state.removal_in_address(), state.count_in_address()
    if names is not None:
        return numbers(players, names)
    if count is None:
        return usual(players, sets)
    known = {"0": (), **{str(size): found for size, found in sets.items()}}
    if count not in known:
        raise SelectionError(f"There is no set of k={count} layers to remove here.", f"There are: {', '.join(known)}.")
    return known[count]


def show_controls(
    run: str, result: RunResult, removed: tuple[int, ...], sets: Sets, perplexities: Mapping[int, float]
) -> None:
    """The controls of a removal.

    Args:
        run: whose removal it is.
        result: of that run.
        removed: what is switched off now.
        sets: what the slider chooses from.
        perplexities: of these sets, for "at most x % worse".
    """
    players, layers = result.model.players, len(result.model.players)
    slider, strip = f"count-{run}", f"strip-{run}"
    state.set_widget(slider, min(len(removed), max(sets)))
    state.set_widget(strip, list(removed))
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.slider(
        f"Layers removed, of {layers}",
        0,
        max(sets),
        key=slider,
        on_change=lambda: state.remove(run, _nearest(sets, state.widget(slider))),
        help="Takes the set of so many layers, of the sets named above. Arrow keys move it.",
    )
    with right.form(f"bound-{run}", border=False):
        bound = st.number_input("At most so many % worse", 1.0, 10_000.0, 20.0, step=5.0)
        if st.form_submit_button("Find", disabled=not perplexities):
            _find(run, result, sets, perplexities, bound / 100)
    st.pills(
        "Layers switched off (click one to toggle it)",
        range(layers),
        format_func=players.__getitem__,
        selection_mode="multi",
        key=strip,
        on_change=lambda: _toggle(run, layers, state.widget(strip)),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Undo",
            icon=":material/undo:",
            disabled=not state.can_undo_removal(run),
            on_click=state.undo_removal,
            args=(run,),
        )
        st.button("Restore all", icon=":material/restart_alt:", on_click=state.remove, args=(run, ()))
        st.markdown(f"**{len(removed)} of {layers}** layers removed ({len(removed) / layers:.0%} of them)")


def _nearest(sets: Sets, count: int) -> tuple[int, ...]:
    """The largest set of at most so many layers; none where there is none."""
    return sets[max(fewer)] if (fewer := [size for size in sets if size <= count]) else ()


def _toggle(run: str, layers: int, removed: list[int]) -> None:
    """What the strip says; the last layer stays."""
    if len(removed) < layers:
        state.remove(run, removed)


def _find(run: str, result: RunResult, sets: Sets, perplexities: Mapping[int, float], bound: float) -> None:
    """Moves to the largest set within the bound, or says how near the smallest one comes."""
    limit = result.dense_perplexity * (1 + bound)
    within = [count for count, perplexity in perplexities.items() if count in sets and perplexity <= limit]
    if within:
        state.remove(run, sets[max(within)])
        st.rerun()
    least = min(perplexities.values()) / result.dense_perplexity - 1
    parts.show_failure(
        f"No set stays within {bound:.0%}.",
        f"The best one is {least:+.1%}: allow more, or search for better plans below.",
    )
