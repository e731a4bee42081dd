"""The first screen of Contributions: which layers can go, as a strip, and what the bars mean, in a popover."""

import streamlit as st

from app.dashboard.estimated import Valued
from app.digits import change
from app.figures.strip import strip
from app.foreign import plain
from app.preview.steps import best, most_within
from app.words import KINDS
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.worth import WORTHS
from core.records.results import RunResult
from core.selection.targets import ACCEPTED


def show_strip(database: Database, run: StoredRun, result: RunResult) -> None:
    """All layers by the strength of their contribution; those crossed out that can go for a fifth more perplexity."""
    plans = best(database, run)
    count = most_within(result, plans, ACCEPTED)
    perplexity = plans[count].perplexity if count is not None else None
    if count is None or perplexity is None:
        st.html(strip((), result))
        return
    cost = change(perplexity / result.dense_perplexity)
    st.html(strip(plans[count].removed, result, f"{count} can go: {cost} (measured)"))


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
