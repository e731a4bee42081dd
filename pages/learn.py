"""A lecture on the game: from three players to the reader's own model, each step live. It needs no run."""

import streamlit as st

from app import jobs, lesson_sampling, lesson_story, lesson_strata, lesson_surrogate, views
from app.lesson_parts import Own, own_run

shared = jobs.shared()

st.title("Learn: what is a layer worth?")
st.markdown(
    "Six steps from three players in the street to the layers of a language model. Everything is computed as you "
    "change it, by the same code that a run uses."
)
st.markdown(
    "[1. Teams](#coalition) · [2. Orders](#orders) · [3. Axioms](#axioms) · [4. Sampling](#sampling) · "
    "[5. Surrogate](#surrogate) · [6. Strata](#strata)"
)
own = own_run(shared.database, views.pick_run(shared.database))
st.caption(
    "The lecture needs no run. With one, each step ends on your own model."
    if own is None
    else "Each step ends on this run. Steps 1 to 3 play with made-up worths first, steps 4 to 6 with a made-up model."
)


@st.fragment
def three_players(own: Own | None) -> None:
    """Steps 1 to 3 follow the same worths, so that they are redrawn together, and without the rest."""
    game = lesson_story.pick_game()
    lesson_story.coalitions(game, own)
    lesson_story.orders(game, own)
    lesson_story.axioms(game, own)


three_players(own)
st.fragment(lesson_sampling.sampling)(own)
st.fragment(lesson_surrogate.surrogate)(own)
st.fragment(lesson_strata.strata)(own)
