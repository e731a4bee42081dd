"""What stands beside every page: the run on show, its model and text, what is computed now, and what waits.

It also keeps every tab up to date: the page is drawn anew as soon as what it was drawn from has changed.
"""

import math
from collections.abc import Hashable
from functools import partial
from operator import eq

import streamlit as st

from app.dashboard import parts, reads
from app.dashboard.progress import cancel_button, task_name
from app.dashboard.session import state, widgets
from app.example import shipped
from app.foreign import code, plain
from app.words import PARTS, called, duration
from app.worker.client import Jobs
from app.worker.job import Job
from cache.queries import StoredRun
from core.checkpoint.memory import amount
from core.errors import QuorumError

EVERY = 1.5  # seconds between two looks at what goes on
_ROOM, _TEXT, _SHORT = 31, 9, 4  # letters of a label, of a text's name in it, and of a run's, unless others begin so


def show(jobs: Jobs, runs: list[StoredRun], follow: bool) -> None:
    """Draws it. `follow`: a run that this session has started is on show once it has a name."""
    asked = state.remembered_job("run")
    if follow and asked is not None and asked.run in {run.run for run in runs}:
        state.remember_run(asked.run)
        state.forget_job("run")
    run = parts.run_on_show(runs)
    seen = _standing(jobs, run)
    with st.sidebar:
        if runs:
            _show_picker(runs, run)
        # It writes into its own place alone: a fragment may not leave it.
        with st.container():
            st.fragment(_live, run_every=EVERY)(jobs, run, seen)


def try_again() -> None:
    """Draws the page anew in a moment, which could not be drawn now: nobody has to ask for it."""
    drawn: list[bool] = []

    def again() -> None:
        if drawn:
            st.rerun(scope="app")
        drawn.append(True)

    st.fragment(again, run_every=EVERY)()


def _show_picker(runs: list[StoredRun], run: StoredRun | None) -> None:
    # One in the archive is there only while it is on show.
    shown = labels([each for each in runs if not each.label.archived or each is run])
    chosen = run.run if run is not None else None
    picker = widgets.key_showing("run-on-show", partial(eq, chosen), shown.get(chosen or "", ""))
    # Names, not runs: Streamlit compares and copies what it lets choose from.
    st.selectbox(
        "Run",
        list(shown),
        index=list(shown).index(chosen) if chosen is not None else None,
        format_func=shown.__getitem__,
        key=picker,
        placeholder="Choose a run",
        on_change=widgets.heed(picker, partial(state.choose_run, list(shown), run is None)),
    )
    if run is not None:
        name = f" · {plain(run.label.name)}" if run.label.name else ""
        st.markdown(f"**{plain(called(run.spec.model))}**{name}")
        st.caption(
            f"{plain(called(run.spec.corpus))} · {run.spec.masks:,} coalitions · run {code(run.run)}, "
            f"{plain(shipped.status(run))}"
        )


def labels(runs: list[StoredRun]) -> dict[str, str]:
    """What each run is called where there is little room: its name, if it has one, and how its id begins; or else its
    model, its text where they differ, how many coalitions.

    In their place how it ended, where it is not finished; and how its id begins.
    """
    names, texts = [run.run for run in runs], {run.spec.corpus for run in runs}
    told = next((few for few in range(_SHORT, 32) if len({name[:few] for name in names}) == len(names)), 32)

    def label(run: StoredRun) -> str:
        if run.label.name:
            return f"{_cut(run.label.name, _ROOM - told - 3)} · {run.run[:told]}"
        text = f" · {_cut(called(run.spec.corpus), _TEXT)}" if len(texts) > 1 else ""
        far = f" · {run.spec.masks:,}" if run.status == "finished" else f" · {run.status}"
        name = "example" if shipped.is_example(run) else run.run[:told]
        rest = f"{text}{far} · {name}"
        return _cut(called(run.spec.model), _ROOM - len(rest)) + rest

    return {run.run: label(run) for run in runs}


def _cut(text: str, most: int) -> str:
    most = max(most, _SHORT)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _standing(jobs: Jobs, run: StoredRun | None) -> Hashable:
    """What pages are drawn from, as far as it changes by itself: tasks, all runs, and the one on show."""
    shown = run.run if run else None
    tasks = tuple((job.name, job.status, job.run, job.of == shown and job.revision) for job in jobs.tasks())
    known = reads.standing(jobs.database)
    return tasks, tuple((name, status) for name, (status, _) in known.items()), known.get(shown or "")


def _live(jobs: Jobs, run: StoredRun | None, seen: Hashable) -> None:
    """What is computed now, and the end of a page that is out of date."""
    active = [job for job in jobs.tasks() if job.active]
    try:
        if _standing(jobs, run) != seen:
            st.rerun(scope="app")
        elsewhere = _elsewhere(jobs, active)
    except QuorumError as error:  # the results file is in use: the next look may find it free
        st.caption(plain(error.message))
        elsewhere = []
    for name in elsewhere:
        st.caption(f"Run {code(name)} is measured by another process.")
    if not active:
        st.caption("Nothing is being computed.")
        return
    going = next((job for job in active if job.status != "waiting"), active[0])
    _show_going(going, jobs)
    for job in sorted((job for job in active if job is not going), key=lambda job: job.place):
        behind = f", waits for: {task_name(job.waits_for)}" if job.waits_for is not None else ""
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(f"{job.place}. {task_name(job)}{behind}" if job.place else task_name(job))
            cancel_button(job, jobs, "sidebar-")


def _show_going(job: Job, jobs: Jobs) -> None:
    """What is being computed: what it is called, how far it is, how long the rest takes, and the way to end it."""
    progress, loading = job.progress, job.downloading
    if job.status == "cancelling":
        share, said = None, "Being cancelled"
    elif loading is not None:
        share = min(1.0, loading.done / max(1, loading.total))
        said = f"{amount(loading.done)} of {amount(loading.total)}, {_left(loading.seconds_left)}"
    elif progress is not None:
        share = progress.done / progress.total if progress.share is None else progress.share
        done = f"{progress.done:,} of {progress.total:,}"
        said = f"{done if progress.part == 'coalitions' else PARTS[progress.part]}, {_left(progress.seconds_left)}"
    else:
        share, said = job.share, job.stage or "Waiting for its turn"
    st.progress(min(1.0, share or 0.0), text=f"**{task_name(job)}**  \n{plain(said)}")
    cancel_button(job, jobs, "sidebar-")


def _elsewhere(jobs: Jobs, active: list[Job]) -> list[str]:
    """Runs that another process measures into this results file; it alone can end them."""
    if any(job.what == "run" and job.status != "waiting" and job.run is None for job in active):
        return []  # the one that has begun may be this
    ours = {job.run for job in active}
    known = reads.standing(jobs.database)
    return [name for name, (status, _) in known.items() if status == "running" and name not in ours]


def _left(seconds: float) -> str:
    return f"{duration(seconds)} left" if math.isfinite(seconds) else "time left not known yet"
