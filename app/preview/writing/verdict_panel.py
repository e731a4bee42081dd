"""Whether the chosen model still writes: a verdict on many texts, and how often it agrees with the whole one."""

from collections.abc import Mapping

import streamlit as st

from app.dashboard import parts, reads
from app.dashboard.progress import show_stage
from app.dashboard.session import state
from app.foreign import plain
from app.preview.writing.writing_panel import marked
from app.worker.client import Jobs
from app.worker.job import Job
from cache.queries import StoredRun
from core.records.behaviour.traits import Traits
from core.records.behaviour.writes import TOKENS, Behaviour, Share
from core.records.results import RunResult

_VERDICTS = {
    "writes": "It still writes",
    "repeats": "It repeats itself",
    "broken": "Its writing is broken",
}


def verdicts(known: Mapping[tuple[int, ...], Traits]) -> dict[tuple[int, ...], str]:
    """In one word how each of some removals writes, of those that were judged."""
    return {gone: one.judgement.pruned.verdict for gone, one in known.items() if one.judgement is not None}


def show_verdict(shared: Jobs, run: StoredRun, result: RunResult, removed: tuple[int, ...]) -> None:
    """A button, and what came of it, or of an earlier one."""
    spec = run.resolved
    what = f"20 stored prompts, {TOKENS} tokens each by both models, and unseen text: minutes on a CPU"
    if st.button("Judge its writing", icon=":material/gavel:", disabled=not removed, help=what):
        asked = shared.ahead(f"{state.session()}-behave", "behave", spec, removed=removed, tokens=TOKENS)
        state.remember_job("behave", asked)
    job = state.remembered_job("behave")
    if job is not None and (job.spec, job.removed) == (spec, removed):
        st.fragment(_found, run_every=0.5 if job.active else None)(job)
    elif (before := reads.traits(shared.database, result.model, (removed,))[removed].judgement) is not None:
        _show(before)


def _found(job: Job) -> None:
    if job.behaviour is not None:
        _show(job.behaviour)
    elif job.status == "failed":
        parts.show_failure(job.message, job.hint)
    else:
        show_stage(job)
        if job.share is not None:
            st.progress(min(1.0, job.share))


def _show(found: Behaviour) -> None:
    whole, pruned, seen = found.whole, found.pruned, found.predicts
    usual = "" if whole.verdict == "writes" else f", as the whole model does ({whole.verdict})"
    loops = f"{pruned.loops:.0%} of {len(found.prompts)} texts end in a loop, of the whole model's {whole.loops:.0%}"
    words = f"{_told(seen.pruned_words)} (whole {_told(seen.whole_words)})"
    st.markdown(
        f"**{plain(_VERDICTS[pruned.verdict])}**{plain(usual)}: {plain(loops)}. It finds the same likeliest token "
        f"{_told(seen.agreement.top1)}, and the last word of passages {words}.",
        help=f"Measured, greedy, {found.tokens} tokens each; distinct-2 {pruned.distinct2:.2f} (whole "
        f"{whole.distinct2:.2f}); the whole model's loss on them {pruned.surprise:.2f} nats a token (on its own "
        f"{whole.surprise:.2f}). Unseen text: {plain(seen.protocol)}; ± is a standard error over windows. "
        "`python -m app behaviour` says more.",
    )
    with st.expander(f"The {len(found.prompts)} texts of both, with what differs in bold"):
        for prompt, one, other in zip(found.prompts, whole.texts, pruned.texts, strict=True):
            st.caption(plain(prompt))
            for column, title, text in zip(
                st.columns(2), ("The whole model", "The pruned one"), marked(one.split(), other.split()), strict=True
            ):
                column.markdown(f"*{plain(title)}:* {text}")


def _told(share: Share) -> str:
    return f"{share.value:.0%} ± {share.error:.0%}" if share.of else "none to find"
