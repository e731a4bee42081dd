"""A lecture on the game: from three players to the reader's own model, each step live. It needs no run."""

import streamlit as st

from app.dashboard import parts
from app.dashboard.session import widgets
from app.learn import sampling_step, story_steps, strata_step, surrogate_step
from app.learn.step_parts import own_run
from app.learn.stepper import show_bar
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

now = show_bar({name: label for name, (label, _) in STEPS.items()})
own = own_run(shared.database, parts.pick_run(shared.database))
if own is None:
    st.caption("The lecture needs no run. With one, each step ends on your own model.")
names = list(STEPS)
# Each step has a place of its own: a table that the browser takes over from another step keeps Tab for ever.
with [st.container() for _ in names][names.index(now)]:
    st.fragment(STEPS[now][1])(own)
widgets.keep(*story_steps.WIDGETS)
