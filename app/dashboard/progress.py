"""How far a run or another task is, and the way to end it."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from app import digits
from app.dashboard import login, parts
from app.foreign import code, plain
from app.words import PARTS, called, duration, each_worker, part_of
from app.worker.client import Jobs
from app.worker.job import Job
from cache.queries import StoredRun
from core.checkpoint.memory import amount
from core.run.remaining import LAST_PARTS

_KINDS = {
    "run": "Run",
    "select": "Search",
    "compensate": "Compensation",
    "compare": "Comparison",
    "score": "Rivals' scores",
    "agree": "Agreement",
    "needs": "Task",
    "tasks": "Accuracy",
    "export": "Export",
    "heal": "Healing",
    "quantise": "Four bits",
}
_MOST_SIZES = 6  # of which the best so far is told


def show_standing(run: StoredRun, jobs: Jobs) -> None:
    """Progress of the run on show, whose new results redraw the page; or that it has ended too early."""
    job = jobs.newest()
    if job is not None and job.active and job.run == run.run:
        st.fragment(_watch, run_every=1.0)(job, jobs, job.revision)
    elif run.status != "finished":
        st.warning(f"This run is {plain(run.status)}: this is what it has found so far. Resume it on the page Runs.")


def _watch(job: Job, jobs: Jobs, seen: int) -> None:
    show_progress(job, jobs)
    if job.revision != seen:
        st.rerun(scope="app")


def show_progress(job: Job, jobs: Jobs) -> None:
    """Stage, bar, rate and time left of an active job, with a button that cancels it."""
    if _show_download(job):
        cancel_button(job, jobs)
        return
    progress = job.progress
    what = held_up(job) or plain(job.stage or (part_of(progress) if progress else "Starting"))
    done = progress.done / progress.total if progress else 0.0
    if progress is not None and progress.share is not None:
        done = progress.share
    st.progress(done, text=f"**{what}**" + (f": {progress.done} of {progress.total} coalitions" if progress else ""))
    if progress is not None:
        with st.container(horizontal=True):
            rate = f"{60 * progress.per_second:.0f}" if progress.per_second else "–"
            st.metric("Coalitions a minute", rate, help="Measured since this run was started; none from the cache")
            right = "" if progress.within is None else f"; so far this has been within {progress.within:.0%}"
            said = f"For all that the run still does: coalitions, contributions, plans and diagnostics{right}"
            st.metric("Time left", duration(progress.seconds_left), help=said)
            st.metric("From the cache", progress.cached)
        if progress.within is not None:
            st.caption(f"So far this estimate of the time left has been within {progress.within:.0%}.")
        if progress.workers is not None:
            st.caption(f"{plain(each_worker(progress.workers))}.")
        if progress.part in LAST_PARTS:
            st.caption("Its contributions and plans are final; exports, too, come before what the run still does.")
        if progress.best:
            places = np.linspace(0, len(progress.best) - 1, min(len(progress.best), _MOST_SIZES)).round().astype(int)
            sizes = (
                f"{digits.perplexity(found)} with {count} removed"
                for count, found in map(progress.best.__getitem__, places)
            )
            st.caption(f"Best perplexity so far (measured): {', '.join(sizes)}.")
    cancel_button(job, jobs)


def _show_download(job: Job) -> bool:
    """Bytes of a model that have come, how fast, and how long the rest takes, while a job downloads one."""
    event = job.downloading
    if event is None or job.status != "running":
        return False
    done = min(1.0, event.done / max(1, event.total))
    st.progress(done, text=f"**Downloading {plain(event.model)}**: {amount(event.done)} of {amount(event.total)}")
    with st.container(horizontal=True):
        rate = f"{amount(event.per_second)}/s" if event.per_second else "–"
        st.metric("Rate", rate, help="Since this attempt began; what arrived earlier is not fetched again")
        st.metric("Time left", duration(event.seconds_left), help="To download the rest at this rate")
    return True


def show_stage(job: Job) -> None:
    """What a preview that has no figures yet is at."""
    if not _show_download(job):
        st.caption(stage_of(job))


def stage_of(job: Job) -> str:
    """What a preview that has no figures yet is at, and which task it waits for."""
    if job.waits_for is None:
        return plain(job.stage or ("Starting" if job.status == "running" else "Waiting for its turn"))
    return f"{plain(job.stage or 'Next, between two evaluations')}: {_going(job.waits_for)}"


def task_name(job: Job) -> str:
    """What a task is called: its kind, its model, and the run that it is about."""
    about = f" · {code(job.of)}" if job.of else ""
    return f"{_KINDS[job.what]} · {plain(called(job.spec.model))}{about}"


def held_up(job: Job) -> str:
    """Why a task does not do its work now: its place in the queue, and what goes on meanwhile; nothing if it does."""
    if job.status == "cancelling":
        return "Cancelling after the evaluation under way"
    if job.status != "waiting":
        return ""
    place = f", place {job.place} in the queue" if job.place else ""
    return f"Waiting for its turn{place}" + (f": after {_going(job.waits_for)}" if job.waits_for is not None else "")


def _going(task: Job) -> str:
    """A task that goes on, and how far it is."""
    progress, far = task.progress, ""
    if progress is not None and progress.part == "coalitions":
        far = f", {progress.done:,} of {progress.total:,} coalitions"
    elif progress is not None:
        far = f", {PARTS[progress.part].lower()}"
    elif task.share is not None:
        far = f", {task.share:.0%} of its budget"
    return f"{task_name(task)}{far}"


def watch(job: Job, jobs: Jobs, title: str, more: Callable[[Job], None] | None = None) -> None:
    """How far a task is, and what `more` shows of it, with a button that cancels it; its end redraws the page."""

    def live() -> None:
        if job.revision != seen and not job.active:
            st.rerun(scope="app")
        if job.status == "failed":
            parts.show_failure(job.message, job.hint)
            return
        if not _show_download(job):
            what = held_up(job) or plain(title)
            st.progress(min(1.0, job.share or 0.0), text=f"**{what}** {plain(job.stage)}")
        cancel_button(job, jobs)
        if more is not None:
            more(job)

    seen = job.revision
    st.fragment(live, run_every=1.0 if job.active else None)()


def cancel_button(job: Job, jobs: Jobs, place: str = "") -> None:
    """Ends a job that goes on or waits; a page may have one in each of several places."""
    st.button(
        "Cancel",
        key=f"cancel-{place}{job.name}",
        icon=":material/stop_circle:",
        disabled=job.status == "cancelling" or not login.may_end(job.owner),
        on_click=jobs.cancel,
        args=(job,),
        help="Stops after the evaluation under way. Everything measured is kept. Where people log in, only whoever "
        "started it can.",
    )
