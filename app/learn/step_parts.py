"""What the steps of the page Learn share: how each begins, its pictures, what to look for, and the reader's own run."""

from dataclasses import dataclass

import streamlit as st

from app.dashboard import estimated, parts
from app.dashboard.session import state
from app.figures.charts import Chart
from app.figures.protocol_chip import protocol_chip
from app.figures.terms_chip import terms_chip
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.measurements import Measurements
from core.records.results import RunResult
from core.surrogate.surrogate import Surrogate

_LARGE = 19  # pixels; elsewhere they have 12 to 16


@dataclass(frozen=True)
class Own:
    """The reader's run: what it measured, and a surrogate of its log score."""

    run: StoredRun
    result: RunResult
    surrogate: Surrogate

    @property
    def measured(self) -> Measurements:
        return self.surrogate.measured

    @property
    def layers(self) -> int:
        return len(self.players)

    @property
    def players(self) -> tuple[str, ...]:
        return self.result.model.players


def own_run(database: Database, run: StoredRun | None) -> Own | None:
    """The reader's run, if one is chosen."""
    if run is None or run.result is None:
        return None
    return Own(run, run.result, estimated.surrogate(database, run))


def step(question: str, words: str) -> None:
    """How a step begins."""
    st.header(question)
    st.markdown(words)


def show(chart: Chart, key: str) -> None:
    """A picture of the lecture; its letters are larger where it is shown to a room."""
    if state.presenting():
        large, figure = {"size": _LARGE}, chart.figure
        figure.update_layout(font=large, legend={"font": large}, hoverlabel={"font": large})
        figure.update_xaxes(tickfont=large, title={"font": large})
        figure.update_yaxes(tickfont=large, title={"font": large})
        figure.update_annotations(font=large)
        figure.update_traces(textfont=large)
    parts.show_chart(chart, key=key)


def show_chips(own: Own, *terms: str) -> None:
    """How what is on the reader's run was measured, and what the words of the step mean."""
    with st.container(horizontal=True):
        protocol_chip(own.result)
        terms_chip(*terms)


def look_for(words: str) -> None:
    st.markdown(f"**What to look for.** {words}")
