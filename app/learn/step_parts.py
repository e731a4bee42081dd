"""What the steps of the page Learn share: how each begins, what to look for, its data, and the reader's own run."""

from dataclasses import dataclass

import streamlit as st

from app.dashboard import estimated
from app.words import called
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.measurements import Measurements
from core.records.results import RunResult
from core.surrogate.surrogate import Surrogate


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


def look_for(words: str) -> None:
    st.markdown(f"**What to look for.** {words}")


def protocol(own: Own) -> str:
    """Whose figures these are, in small print."""
    return f"Run {own.run.run}, {called(own.result.model.source)}, {own.result.protocol}."
