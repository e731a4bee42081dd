"""What models write after the user's prompt, side by side: the whole one and a pruned one, or two pruned ones."""

from collections.abc import Sequence
from difflib import SequenceMatcher

import streamlit as st

from app.dashboard import parts
from app.dashboard.progress import show_stage
from app.dashboard.session import state, widgets
from app.foreign import plain
from app.words import Players, named
from app.worker.client import Jobs
from app.worker.job import Job
from core.records.spec import RunSpec

_PROMPT = "The river rises in the mountains and"
_BOTH = 32  # tokens that each of two removals writes


def show_continuations(shared: Jobs, spec: RunSpec, players: Players, removed: tuple[int, ...]) -> None:
    """A prompt, and the two texts that follow it."""
    widgets.begin("writes-prompt", _PROMPT)
    widgets.begin("writes-tokens", 32)
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


def show_two_texts(
    shared: Jobs, spec: RunSpec, players: Players, removed: tuple[int, ...], other: tuple[int, ...]
) -> None:
    """A prompt, and the texts of two removals, in each of which is marked what the other does not say."""
    with st.form("continue-both", border=False):
        widgets.begin("writes-both", _PROMPT)
        prompt = st.text_area("Prompt", height=80, key="writes-both")
        forwards = f"{_BOTH} tokens each: {4 * _BOTH} forwards with the whole model's, ahead of any task"
        if st.form_submit_button("Let both write", icon=":material/edit_note:", help=forwards):
            asked = [
                shared.ahead(
                    f"{state.session()}-both-{slot}", "continue", spec, removed=gone, prompt=prompt, tokens=_BOTH
                )
                for slot, gone in enumerate((removed, other))
            ]
            state.remember_jobs("both", (spec, removed, other), asked)
    asked = state.remembered_jobs("both", (spec, removed, other))
    if asked:
        st.fragment(_two_texts, run_every=0.3 if any(job.active for job in asked) else None)(asked, players)


def _two_texts(asked: list[Job], players: Players) -> None:
    for job in asked:
        if job.status == "failed":
            parts.show_failure(job.message, job.hint)
            return
    texts = [job.writing.pruned.split() if job.writing is not None else [] for job in asked]
    for column, job, words in zip(st.columns(2), asked, marked(*texts), strict=True):
        with column:
            st.markdown(f"**Without layers {plain(named(players, job.removed) or 'none')}**")
            if job.writing is None:
                show_stage(job)
            else:
                st.markdown(words)
    st.caption("Greedy: each takes its likeliest token. Bold: what the other does not write there.")


def marked(one: Sequence[str], other: Sequence[str]) -> tuple[str, str]:
    """Two texts as Markdown, by their words; what differs is bold."""
    texts: tuple[list[str], list[str]] = [], []
    for what, begin, end, from_, to in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        for text, words in zip(texts, (one[begin:end], other[from_:to]), strict=True):
            if words:
                said = plain(" ".join(words))
                text.append(said if what == "equal" else f"**{said}**")
    return " ".join(texts[0]), " ".join(texts[1])
