"""Parts that several pages show: the run picker, the live progress of a job, charts with their data."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from app import reads, shipped, state
from app.charts import Chart, darken
from app.durations import duration
from app.job import Job
from app.jobs import Jobs
from app.players import Players, labels, legend, named
from cache import queries
from cache.database import Database
from cache.queries import StoredRun
from core.choices import Comparison, Plan
from core.errors import QuorumError
from core.events import Measured
from core.results import PairInteractions, RunResult


def stored_runs(database: Database) -> list[StoredRun]:
    """All runs, the newest first; the killed ones are told from those that go on."""
    return [queries.settled(database, run) for run in reads.runs(database)]


def show_error(error: QuorumError) -> None:
    """An expected failure in words, with the next step."""
    show_failure(error.message, error.hint)


def show_failure(message: str, hint: str) -> None:
    """What went wrong, and the next step."""
    st.error(f"**{message}**\n\n{hint}", icon="⚠️")


def pick_run(database: Database) -> StoredRun | None:
    """The run of the address, of the session, or the newest with contributions; a select box changes it.

    Says what to do, and returns None, where there is none.
    """
    usable = [run for run in stored_runs(database) if run.result is not None]
    asked = state.run_in_address()
    names = [run.run for run in usable]
    if asked is not None and asked not in names:
        known = ", ".join(names) or "none yet"
        show_failure(f"There is no run {asked} with contributions here.", f"Runs that can be shown: {known}.")
    if not usable:
        st.info("No run has contributions yet. They appear here while the first run goes on: see the page Runs.")
        return None
    wanted = asked if asked in names else state.remembered_run()
    chosen = st.selectbox(
        "Run",
        usable,
        index=names.index(wanted) if wanted in names else 0,
        format_func=lambda run: (
            f"{run.run} · {run.spec.model} · {run.spec.corpus} · {run.spec.masks} masks · {shipped.status(run)}"
        ),
    )
    if asked is None or asked in names:  # an unknown run stays in the address, and its error on the page
        state.remember_run(chosen.run)
    if chosen.result is not None and (words := legend(chosen.result.model.players)):
        st.caption(words)
    return chosen


def show_chart(chart: Chart, key: str, picks: str | None = None) -> None:
    """A chart in the page's theme, with its description for screen readers.

    A click on a point chooses for the select box `picks`, by the point's first custom datum.
    """
    if st.context.theme.type != "dark":
        darken(chart.figure)
    st.plotly_chart(
        chart.figure,
        key=key,
        alt=chart.alt,
        on_select=partial(state.clicked, key, picks) if picks else "ignore",
        selection_mode="points",
        config={"displaylogo": False, "toImageButtonOptions": {"format": "svg"}},
    )


def all_compare(found: Sequence[Measured], result: RunResult) -> bool:
    """Whether measurements are of a run's model, on its text; says so where one is not."""
    asked = result.protocol, result.model.fingerprint
    every = all((measured.protocol, measured.model.fingerprint) == asked for measured in found)
    if not every:
        st.warning("The model or the text has changed since the run, so that what is measured now does not compare.")
    return every


def comparison_table(found: Comparison) -> pd.DataFrame:
    """Perplexity on other text of each method, by number of removed layers, with its compute."""
    rows = [
        {
            "method": method.method,
            **{f"{plan.count} removed": plan.perplexity for plan in method.plans},
            "units": method.units,
            "coalitions": method.coalitions,
        }
        for method in found.methods
    ]
    return pd.DataFrame(rows)


def plan_table(plans: Sequence[Plan], players: Players) -> pd.DataFrame:
    """Plans with what was measured of them."""
    rows = [
        {
            "removed": plan.count,
            "layers": named(players, plan.removed),
            "perplexity": plan.perplexity,
            "low (90 %)": plan.low,
            "high (90 %)": plan.high,
            "ratio": plan.ratio,
            "parameters": plan.parameters,
        }
        for plan in plans
    ]
    return pd.DataFrame(rows)


def interaction_table(found: PairInteractions, players: Players) -> pd.DataFrame:
    """All pairs, the strongest first."""
    known = labels(players)
    rows = [
        {
            "first": known[pair.first],
            "second": known[pair.second],
            "interaction": pair.value,
            "low (90 %)": pair.low,
            "high (90 %)": pair.high,
            "meaning": pair.meaning,
        }
        for pair in found.pairs
    ]
    return pd.DataFrame(rows)


def show_standing(run: StoredRun, jobs: Jobs) -> None:
    """Progress of the run on show, whose new results redraw the page; or that it has ended too early."""
    job = jobs.newest()
    if job is not None and job.active and job.run == run.run:
        st.fragment(_watch, run_every=1.0)(job, jobs, job.revision)
    elif run.status != "finished":
        st.warning(f"This run is {run.status}: this is what it has found so far. Resume it on the page Runs.")


def _watch(job: Job, jobs: Jobs, seen: int) -> None:
    show_progress(job, jobs)
    if job.revision != seen:
        st.rerun(scope="app")


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
            st.metric("Time left", duration(progress.seconds_left))
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
