"""Parts that several pages show: the run picker, the live progress of a job, charts with their data."""

import math
from pathlib import Path

import pandas as pd
import streamlit as st

from app import state
from app.charts import Chart, darken
from app.jobs import Job, Jobs
from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.errors import QuorumError
from core.events import Measured, Progress
from core.results import PairInteractions, RunResult


@st.cache_data(max_entries=4, show_spinner=False)
def _read_runs(file: str, revision: tuple[int, int]) -> list[StoredRun]:
    return queries.runs(Database(Path(file)))


def stored_runs(database: Database) -> list[StoredRun]:
    """All runs, the newest first; read again only when the file has changed."""
    found = _read_runs(str(database.file), database.revision())
    return [queries.settled(database, run) for run in found]


def show_error(error: QuorumError) -> None:
    """An expected failure in words, with the next step."""
    st.error(f"**{error.message}**\n\n{error.hint}", icon="⚠️")


def pick_run(database: Database) -> StoredRun | None:
    """The run of the address, of the session, or the newest with contributions; a select box changes it.

    Says what to do, and returns None, where there is none.
    """
    usable = [run for run in stored_runs(database) if run.result is not None]
    asked = state.run_in_address()
    names = [run.run for run in usable]
    if asked is not None and asked not in names:
        known = ", ".join(names) or "none yet"
        st.error(f"**There is no run {asked} with contributions here.**\n\nRuns that can be shown: {known}.", icon="⚠️")
    if not usable:
        st.info("No run has contributions yet. They appear here while the first run goes on: see the page Runs.")
        return None
    wanted = asked if asked in names else state.remembered_run()
    chosen = st.selectbox(
        "Run",
        usable,
        index=names.index(wanted) if wanted in names else 0,
        format_func=lambda run: (
            f"{run.run} · {run.spec.model} · {run.spec.corpus} · {run.spec.masks} masks · {run.status}"
        ),
    )
    if asked is None or asked in names:  # an unknown run stays in the address, and its error on the page
        state.remember_run(chosen.run)
    return chosen


def show_chart(chart: Chart, key: str) -> None:
    """A chart in the page's theme, with its description for screen readers."""
    if st.context.theme.type != "dark":
        darken(chart.figure)
    st.plotly_chart(
        chart.figure, key=key, alt=chart.alt, config={"displaylogo": False, "toImageButtonOptions": {"format": "svg"}}
    )


def compares(measured: Measured, result: RunResult) -> bool:
    """Whether a measurement is of a run's model, on its text."""
    return measured.protocol == result.protocol and measured.model.fingerprint == result.model.fingerprint


def contribution_table(result: RunResult) -> pd.DataFrame:
    """The contributions as a table, least needed first."""
    rows = [
        {
            "layer": item.layer,
            "contribution": item.value,
            "low (90 %)": item.low,
            "high (90 %)": item.high,
            "other text (90 %)": item.calibration,
        }
        for item in result.overall
    ]
    return pd.DataFrame(rows).sort_values("contribution", ignore_index=True)


def band_table(result: RunResult) -> pd.DataFrame:
    """The predictive intervals by number of layers kept, and how often they held."""
    rows = [
        {
            "layers kept": f"{band.fewest} to {band.most}" if band.fewest < band.most else str(band.most),
            "within a factor of": band.factor,
            "true of others": f"{band.coverage:.0%}",
            "coalitions": band.masks,
        }
        for band in result.bands
    ]
    return pd.DataFrame(rows)


def fit_table(result: RunResult) -> pd.DataFrame:
    """The held-out quality of every kind of surrogate, the best first."""
    rows = [
        {"surrogate": fit.name, "R²": fit.r2, "Spearman": fit.spearman, "mean absolute error": fit.mae}
        for fit in (result.surrogate, *result.others)
    ]
    return pd.DataFrame(rows).sort_values("R²", ascending=False, ignore_index=True)


def interaction_table(found: PairInteractions) -> pd.DataFrame:
    """All pairs, the strongest first."""
    rows = [
        {
            "first": pair.first,
            "second": pair.second,
            "interaction": pair.value,
            "low (90 %)": pair.low,
            "high (90 %)": pair.high,
            "meaning": pair.meaning,
        }
        for pair in found.pairs
    ]
    return pd.DataFrame(rows)


def show_progress(job: Job, jobs: Jobs) -> None:
    """Stage, bar, rate and time left of an active job, with a button that cancels it."""
    progress = job.progress
    label = {"waiting": "Waiting for its turn", "cancelling": "Cancelling after the evaluation under way"}.get(
        job.status, job.stage or "Starting"
    )
    done = progress.done / progress.total if progress else 0.0
    st.progress(done, text=f"**{label}**" + (f": {progress.done} of {progress.total} coalitions" if progress else ""))
    if progress is not None:
        with st.container(horizontal=True):
            st.metric("Coalitions a minute", f"{60 * progress.per_second:.0f}" if progress.per_second else "–")
            st.metric("Time left", _duration(progress))
            st.metric("From the cache", progress.cached)
    cancel_button(job, jobs)


def cancel_button(job: Job, jobs: Jobs) -> None:
    """Ends a job that goes on or waits."""
    st.button(
        "Cancel",
        key=f"cancel-{job.name}",
        icon=":material/stop_circle:",
        disabled=job.status == "cancelling",
        on_click=jobs.cancel,
        args=(job,),
        help="Stops after the evaluation under way. Everything measured is kept.",
    )


def _duration(progress: Progress) -> str:
    if not math.isfinite(progress.seconds_left):
        return "–"
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
