"""The bar of the page Learn: its steps, the way to the next one, and the way to show them to a room.

It stands at the same place of the screen whatever a step holds, and however far somebody has scrolled.
"""

from collections.abc import Mapping

import streamlit as st

from app.dashboard import parts
from app.dashboard.session import state, widgets

# Where the bar lies before anybody scrolls is where it stays; what goes by under it is not seen above it either.
_STAYS = """<style>
.st-key-step [data-testid=stWidgetLabel] { position: absolute; clip-path: inset(50%); width: 1px; height: 1px }
[data-testid=stMain] .st-key-title h1 { font-size: 2rem; padding: 0; line-height: 1.25 }
.st-key-title [data-testid=stMarkdownContainer] { margin-bottom: 0 }
@media (min-width: 900px) {
    [data-testid=stLayoutWrapper]:has(> .st-key-stepper, > .st-key-presenting) { position: sticky; top: 1rem;
        z-index: 90; background: var(--page); box-shadow: 0 -1rem var(--page), 0 .75rem .75rem -.25rem var(--page) }
    [data-testid=stApp] { --page: light-dark(#FFFFFF, #171614) }
}
</style>"""
_ROOM = """<style>
:root { font-size: 125% !important }
[data-testid=stSidebar], [data-testid=stExpandSidebarButton],
    .st-key-presenting [data-testid=stLayoutWrapper]:has(> .st-key-step):not(:has([role=alert])) { display: none }
</style>"""


def show_bar(steps: Mapping[str, str]) -> str:
    """Draws it, and returns the step that is on show.

    Args:
        steps: what each is called, by its name in the address.
    """
    names, presenting = list(steps), state.presenting()
    st.html(_STAYS + (_ROOM if presenting else ""))
    with st.container(key="presenting" if presenting else "stepper", horizontal=True, vertical_alignment="center"):
        with st.container(key="title", width="content"):
            st.title("Learn", anchor=False)
        back = st.container(width="content")
        with st.container(key="step", width="content"):
            now = parts.pick("step", "Step", names, steps.__getitem__, row=True)
        place = names.index(now)
        if presenting:
            st.markdown(f"{place + 1:d} of {len(names)}", width="content")
        with back:
            _way("Back", "step-back", "arrow_back", names[max(0, place - 1)], place == 0)
        _way("Next", "step-on", "arrow_forward", names[min(len(names) - 1, place + 1)], place == len(names) - 1)
        st.button(
            "Leave Esc" if presenting else "Present",
            key="present",
            icon=f":material/{'close_fullscreen' if presenting else 'present_to_all'}:",
            on_click=state.present,
            args=(not presenting,),
            help="No sidebar, larger type; the arrow keys, or a clicker, go from step to step",
        )
    return now


def _way(label: str, key: str, icon: str, step: str, end: bool) -> None:
    """A button to another step; where there is none it keeps its place."""
    st.button(label, key=key, icon=f":material/{icon}:", on_click=widgets.choose, args=("step", step), disabled=end)
