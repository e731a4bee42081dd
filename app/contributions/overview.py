"""The first screen of Contributions: which layers can go, as a strip, and what the bars mean, in a popover."""

import streamlit as st

from app.dashboard import reads
from app.dashboard.estimated import Valued
from app.figures.strip import strip
from app.foreign import plain
from app.words import KINDS
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.worth import WORTHS
from core.records.results import RunResult

_ACCEPTED = 1.2  # the perplexity over the whole model's up to which a plan is crossed out in the strip


def show_strip(database: Database, run: StoredRun, result: RunResult) -> None:
    """All layers by the strength of their contribution; those crossed out that can go for a fifth more perplexity."""
    found = reads.selection(database, run.run)
    plans = [plan for plan in found.plans if plan.count and plan.ratio <= _ACCEPTED] if found is not None else []
    if not plans:
        st.html(strip((), result))
        return
    most = max(plans, key=lambda plan: plan.count)
    st.html(strip(most.removed, result, f"{most.count} can go: {most.ratio - 1:+.0%} (measured)"))


def explain(found: Valued, kind: str, worth: str) -> None:
    """What the value and the worth on show are, what they rest on, and how to read the figure."""
    with st.popover("What is shown", width="stretch"):
        st.markdown(f"{KINDS[kind]} {WORTHS[worth].sentence}")
        st.markdown(f"{plain(found.basis)}.")
        st.markdown(
            "Whiskers: 90 % intervals for the doubt of having measured some coalitions only. Orange bands: 90 % for "
            "the doubt of having measured on this text (resampled sequences). A click anywhere in a column opens its "
            "layer. The strip: the bluer, the stronger the run's contribution; crossed out is the largest plan of the "
            "search that costs at most 20 % more perplexity (measured on the run's text)."
        )
