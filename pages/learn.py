"""A lecture on the game: from three players to the reader's own model, each step live. It needs no run."""

import streamlit as st

from app.dashboard import parts, state
from app.learn import sampling_step, story_steps, strata_step, surrogate_step
from app.learn.step_parts import own_run
from app.worker import client

STEPS = {
    "teams": ("1. Teams", story_steps.teams),
    "orders": ("2. Orders", story_steps.orders),
    "axioms": ("3. Axioms", story_steps.axioms),
    "sampling": ("4. Sampling", sampling_step.sampling),
    "surrogate": ("5. Surrogate", surrogate_step.surrogate),
    "strata": ("6. Strata", strata_step.strata),
}
shared = client.shared()

st.title("Learn: what is a layer worth?")
st.markdown(
    "Six steps from three players in the street to the layers of a language model. Everything is computed as you "
    "change it, by the same code that a run uses."
)
own = own_run(shared.database, parts.pick_run(shared.database))
st.caption(
    "The lecture needs no run. With one, each step ends on your own model."
    if own is None
    else "Each step ends on this run. Steps 1 to 3 play with made-up worths first, steps 4 to 6 with a made-up model."
)
state.keep(*story_steps.WIDGETS)
names = list(STEPS)
now = parts.pick("step", "Step", names, lambda name: STEPS[name][0], row=True)
# Each step has a place of its own: a table that the browser takes over from another step keeps Tab for ever.
with [st.container() for _ in names][names.index(now)]:
    st.fragment(STEPS[now][1])(own)
left, right = st.columns(2)
for column, place in ((left, names.index(now) - 1), (right, names.index(now) + 1)):
    if 0 <= place < len(names):
        icon = f":material/arrow_{'back' if column is left else 'forward'}:"
        column.button(STEPS[names[place]][0], icon=icon, on_click=state.choose, args=("step", names[place]))
