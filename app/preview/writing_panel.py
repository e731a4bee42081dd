"""What the whole model and the pruned one write after the user's prompt, side by side, word by word."""

import streamlit as st

from app.dashboard import parts, state
from app.dashboard.progress import show_stage
from app.foreign import plain
from app.words import Players, named
from app.worker.client import Jobs
from app.worker.job import Job
from core.records.spec import RunSpec

_PROMPT = "The river rises in the mountains and"


def show_continuations(shared: Jobs, spec: RunSpec, players: Players, removed: tuple[int, ...]) -> None:
    """A prompt, and the two texts that follow it."""
    state.begin("writes-prompt", _PROMPT)
    state.begin("writes-tokens", 32)
    with st.form("continue", border=False):
        prompt = st.text_area("Prompt", height=80, key="writes-prompt")
        tokens = st.slider("Tokens", 8, 96, step=8, key="writes-tokens")
        if st.form_submit_button("Let both go on", icon=":material/edit_note:"):
            asked = shared.ahead(
                f"{state.session()}-text", "continue", spec, removed=removed, prompt=prompt, tokens=tokens
            )
            state.remember_job("continue", asked)
    job = state.remembered_job("continue")
    if job is not None and job.spec == spec:
        st.fragment(_texts, run_every=0.3 if job.active else None)(job, players)


def _texts(job: Job, players: Players) -> None:
    if job.status == "failed":
        parts.show_failure(job.message, job.hint)
        return
    if job.writing is None:
        show_stage(job)
        return
    written, prompt = job.writing, str(job.details["prompt"])
    gone = named(players, job.removed) or "none"
    for column, title, text in zip(
        st.columns(2), ("The whole model", f"Without layers {gone}"), (written.whole, written.pruned), strict=True
    ):
        column.markdown(f"**{plain(title)}**")
        column.text(prompt + text)
    st.caption(f"Greedy: each takes its likeliest token. {written.done} of {written.total} tokens.")
