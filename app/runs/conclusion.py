"""What a run has come to, in one sentence, with the ways to why that is and to choosing."""

import streamlit as st

from app.contributions.bars import contribution_bars
from app.dashboard import navigation, parts
from app.digits import change
from app.figures.protocol_chip import protocol_chip
from app.foreign import plain
from app.preview.steps import Steps, best, most_within
from app.words import called
from cache.database import Database
from cache.queries import StoredRun
from core.attribution.stability import stability
from core.records.results import RunResult
from core.selection.targets import ACCEPTED


def show_conclusion(database: Database, run: StoredRun) -> None:
    """The sentence, the bars, and the links; of a run with a result."""
    result = run.result
    assert result is not None
    st.markdown(conclusion(result, best(database, run)))
    with st.container(horizontal=True, vertical_alignment="center"):
        for page, label in (
            (navigation.contributions(), "Why"),
            (navigation.interactions(), "Which pairs"),
            (navigation.preview(), "Choose how many go"),
        ):
            st.page_link(page, label=label, query_params={"run": run.run})
        protocol_chip(result)
    chart = contribution_bars(result)
    chart.figure.update_layout(height=300)
    parts.show_chart(chart, key="newest-bars")


def conclusion(result: RunResult, plans: Steps) -> str:
    """How many layers can go, which one matters most, and how far that can be trusted."""
    model = result.model
    most = max(result.overall, key=lambda item: item.value)
    trust = "values are exact" if result.is_exact else f"ranks are {stability(result).spearman:.2f} reliable"
    return (
        f"**{plain(called(model.source))}**, {model.layers} layers on {plain(called(result.protocol.corpus))}: "
        f"{_going(result, plans)}; layer **{plain(model.players[most.layer])}** matters most; {trust}."
    )


def _going(result: RunResult, plans: Steps) -> str:
    if not plans:
        return "no plans yet"
    count = most_within(result, plans, ACCEPTED)
    perplexity = plans[count].perplexity if count is not None else None
    if perplexity is None:
        return f"**none** can go for {ACCEPTED:.0%}"
    return f"**{count} can go** for {ACCEPTED:.0%} ({change(perplexity / result.dense_perplexity)}, measured)"
