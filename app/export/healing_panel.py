"""Training after the cut: asked for with what it will take, watched step by step, and gone on with after a stop."""

from dataclasses import asdict, replace
from math import isnan
from pathlib import Path

import streamlit as st

from app.dashboard import login, parts
from app.digits import perplexity
from app.export.healing_cost import told
from app.export.training_chart import training_chart
from app.foreign import plain
from app.requests import with_text
from app.runs.on_this_machine import told_apart
from app.runs.texts import known_texts
from app.words import duration, named
from app.worker.client import Jobs
from app.worker.job import Job
from cache.queries import StoredRun
from core.coalitions.players import indexes
from core.errors import HealingError, NotAllowed, QuorumError
from core.export.recipes.recipe import Recipe
from core.healing.installed_peft import check_peft
from core.healing.stopped import forget, stopped
from core.records.events import Training
from core.records.mends import HEALS, WARMEST, Heal, usual_recipe
from core.records.results import RunResult

_OWN, _TEXT, _ROWS = "own", "text", "rows"
_RECIPES = {"short": "A few minutes", "paper": "The paper's"}
_TEXTS = {_OWN: "The run's own", _TEXT: "Another text", _ROWS: "Instructions"}


def choose_healing(
    run: StoredRun, result: RunResult, removed: tuple[int, ...], possible: bool
) -> tuple[bool, Heal | None]:
    """Whether a training is wanted, and which, with what it will take; None while its text is missing."""
    missing = ""
    try:
        check_peft()
    except HealingError as error:
        missing = f"{error.message} {error.hint}"
    wanted = st.toggle(
        "Heal: train it a little afterwards",
        disabled=bool(missing) or not possible,
        help="LoRA: small additions to the matrices of the layers that stay are trained, and merged into them. "
        "Minutes for a small model; no new parameters",
    )
    if missing:
        st.caption(plain(missing))
    if missing or not possible or not wanted:
        return False, None
    with st.container(border=True):
        heal = _chosen(result.model.device)
        if heal is not None:
            st.caption(plain(told(run, result, removed, heal)))
    return True, heal


def _chosen(device: str) -> Heal | None:
    """The fields of a training; None while its text cannot be used."""
    recipe = st.segmented_control(
        "Recipe",
        list(_RECIPES),
        format_func=_RECIPES.__getitem__,
        default=usual_recipe(device),
        required=True,
        help="The paper's: two passes over the text, or over instructions, in steps of 64: for a GPU",
    )
    usual = HEALS[recipe]
    kind = st.segmented_control(
        "Text to train on",
        list(_TEXTS),
        format_func=_TEXTS.__getitem__,
        default=_OWN,
        help="Of the run's own, the half on which it has measured and chosen; the export is judged on the other half",
    )
    name = "" if kind in (_OWN, None) else _named_text(kind == _ROWS)
    steps, rate, share, softer = st.columns(4)
    count = usual.steps
    if usual.epochs:
        steps.text_input("Passes", str(usual.epochs), disabled=True)
    else:
        count = steps.number_input("Steps", 1, 100_000, usual.steps)
    highest = rate.number_input(
        "Learning rate", 1e-6, 1.0, usual.rate, step=1e-4, format="%.1e", key=f"healing-rate-{recipe}"
    )
    distil = share.number_input(
        "Distillation",
        0.0,
        1.0,
        usual.distil,
        step=0.1,
        help="Share of the loss that is KL from the whole model's predictions; the rest is the text's own",
    )
    temperature = softer.number_input(
        "Temperature",
        0.1,
        WARMEST,
        usual.temperature,
        step=0.5,
        disabled=not distil,
        help="By which the logits of both are divided for the distillation",
    )
    if name is None:
        return None
    heal = replace(
        usual,
        steps=int(count),
        rate=float(highest),
        distil=float(distil),
        temperature=float(temperature) if distil else 1.0,
    )
    try:
        return with_text(heal, instructions=name) if kind == _ROWS else with_text(heal, name)
    except QuorumError as error:
        parts.show_error(error)
        return None


def _named_text(rows: bool) -> str | None:
    """A text by its name or path, or a file of instructions; None until there is one."""
    alone = login.visitor() is None
    known = known_texts(login.visitor())
    if rows:
        known = [name for name in known if Path(name).is_absolute()]
    said = told_apart(known)
    chosen = st.selectbox(
        "Instructions" if rows else "Text",
        known,
        index=None,
        key="rows-to-heal-on" if rows else "text-to-heal-on",
        format_func=lambda name: said.get(name, name),
        accept_new_options=alone,
        placeholder="Choose, or type a path" if alone else "Choose",
        help="A file (.jsonl, .json, .csv) with rows of instruction, input and output; answers alone are learnt"
        if rows
        else "A named corpus, or a file. What is uploaded on the page Runs is in the list",
    )
    if chosen is not None and not alone and chosen not in known:
        parts.show_error(NotAllowed(f"There is no text {chosen} here.", "Choose one of the list, or upload your own."))
        return None
    return chosen


def start(shared: Jobs, recipe: Recipe, out: str, uncached: bool, *, finish: bool = False) -> None:
    """Asks for a training and its export; of one that was stopped, `finish` writes the best state."""
    details = {"recipe": asdict(recipe), "out": out, "uncached": uncached, "finish": finish}
    shared.task("heal", recipe.spec, login.visitor(), run=recipe.run, **details)


def show_training(job: Job) -> None:
    """The chart of a training, as far as it is, and how long it still takes."""
    training = job.training
    if training is None:
        return
    parts.show_chart(training_chart(training), key="training")
    if job.active:
        left = "" if isnan(training.seconds_left) else f", {duration(training.seconds_left)} left of training"
        step = f"Step {len(training.losses):,} of {training.total:,}{left}"
        st.caption(plain(f"{step}. Held-out perplexity {_held(training)}."))


def show_stopped(shared: Jobs, result: RunResult) -> None:
    """The trainings of a run that were stopped and that whoever is looking may go on with, with what is known of them.

    Where people log in, each sees one's own: somebody may have uploaded the text.
    """
    # One that was just asked for holds its state only once its model is loaded.
    going = [job.details["recipe"] for job in shared.tasks() if job.what == "heal" and job.active]
    for name, asked in stopped(result.run).items():
        if asdict(asked.recipe) in going or not login.may_end(asked.owner):
            continue
        with st.container(border=True, key=f"stopped-{name}"):
            gone = named(result.model.players, indexes(result.model.players, asked.recipe.removed))
            where = f"at step {len(asked.training.losses):,} of {asked.training.total:,}"
            st.markdown(f"**A training without {plain(gone)} was stopped** {plain(where)}.")
            st.caption(plain(f"Held-out perplexity {_held(asked.training)}. It goes to {Path(asked.out).name}."))
            parts.show_chart(training_chart(asked.training), key=f"training-{name}")
            with st.container(horizontal=True):
                told = shared, asked.recipe, asked.out, asked.uncached
                if st.button("Go on", key=f"on-{name}", icon=":material/play_arrow:"):
                    _again(*told, finish=False)
                if st.button("Write the best so far", key=f"finish-{name}", icon=":material/save:"):
                    _again(*told, finish=True)
                if st.button("Forget it", key=f"forget-{name}", icon=":material/delete:"):
                    _dropped(name)


def _again(shared: Jobs, recipe: Recipe, out: str, uncached: bool, *, finish: bool) -> None:
    try:
        start(shared, recipe, out, uncached, finish=finish)
    except QuorumError as error:
        parts.show_error(error)
    else:
        st.rerun()


def _dropped(name: str) -> None:
    try:
        forget(name)
    except QuorumError as error:
        parts.show_error(error)
    else:
        st.rerun()


def _held(training: Training) -> str:
    first, best = training.readings[0], min(training.readings, key=lambda reading: reading.perplexity)
    at = f"{perplexity(best.perplexity)} at step {best.step:,}, the best" if best.step else "none better yet"
    return f"{perplexity(first.perplexity)} before, {at}"
