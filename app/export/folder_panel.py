"""The export itself: asked for, watched, and what came of it."""

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import streamlit as st

from app.dashboard import login, parts
from app.dashboard.progress import watch
from app.digits import perplexity
from app.export.bits_panel import show_bits
from app.export.healing_panel import choose_healing, show_stopped, show_training, start
from app.export.recipe_panel import PLAIN
from app.export.zipped import offer
from app.foreign import plain
from app.words import FITS, called, named, saved
from app.worker.client import Jobs
from app.worker.job import Job
from cache.queries import StoredRun
from core.coalitions.players import dropped
from core.errors import QuorumError, ToolError
from core.export.gguf.converter import check_converter
from core.export.recipes.recipe import UNCACHED, Recipe
from core.export.target import named_target
from core.records.events import Exported
from core.records.mends import COMPENSATIONS, Compensate
from core.records.results import RunResult


def show_folder(shared: Jobs, run: StoredRun, result: RunResult, removed: tuple[int, ...], agreed: bool) -> None:
    """A name and a button; then the folder, which plain `from_pretrained` loads.

    `agreed` says whether nothing speaks against it, or somebody wants it nonetheless.
    """
    suggested = f"{called(run.spec.model)}-without-{len(removed)}-{run.run}"
    name = st.text_input(
        "Name of the folder",
        re.sub(r"[^\w.+@-]", "-", suggested).lstrip("._+@-")[:120],
        help="Below the folder exports of $QUORUM_HOME, on the machine that runs Quorum",
    )
    whole_layers = not dropped(result.model.players, result.model.layers, removed)[1]
    fit = st.selectbox(
        "Compensation",
        COMPENSATIONS,
        format_func=FITS.__getitem__,
        disabled=not whole_layers,
        help="Some weights beside each cut change, so that the rest works as before: minutes of fitting on calibration "
        "text, kept only where it lowers the loss on text that no fit has seen. No new parameters",
    )
    heals, heal = choose_healing(run, result, removed, whole_layers)
    gguf = _asks_for_gguf()
    job = _newest(shared, run.run)
    # Asked only where an export has been refused for it.
    asked = job is not None and job.status == "failed" and UNCACHED in job.hint
    uncached = asked and st.checkbox("Write it although it generates without a cache alone, and slowly")
    finished = run.status == "finished"
    label, ready = "Heal and export" if heals else "Export", finished and agreed and (heal is not None or not heals)
    if st.button(label, type="primary", icon=":material/save:", disabled=not ready):
        how = Compensate(fit) if whole_layers and fit != "none" else None
        recipe = replace(Recipe.of(result, run.resolved, removed), compensate=how, heal=heal, gguf=gguf)
        try:
            out = str(named_target(name))
            if heal:
                start(shared, recipe, out, uncached)
            else:
                details = {"result": asdict(result), "removed": removed, "compensate": how and how.how, "gguf": gguf}
                told = {"run": run.run, "out": out, "uncached": uncached}
                shared.task("export", run.resolved, login.visitor(), **details, **told)
        except QuorumError as error:
            parts.show_error(error)
            return
        st.rerun()
    if not finished:
        st.caption("A run can be exported when it is finished.")
    if job is not None:
        _show_job(shared, result, job)
    show_stopped(shared, result)


def _asks_for_gguf() -> bool:
    """Whether a file for llama.cpp is wanted beside; where its converter is missing, what installs it."""
    missing = ""
    try:
        check_converter()
    except ToolError as error:
        # The command names folders of this machine, which are nobody's business where people log in.
        missing = f". {error.hint}" if login.visitor() is None else ", which is not installed here"
    told = "One file in half precision, written beside the folder's own by llama.cpp's converter"
    wanted = st.checkbox("Also as GGUF, for llama.cpp", disabled=bool(missing), help=plain(told + missing))
    return wanted and not missing


def _newest(shared: Jobs, run: str) -> Job | None:
    """The export or healing of a run that goes on, or the last one that was asked for."""
    jobs = [job for job in shared.tasks() if job.what in ("export", "heal") and job.of == run]
    return next((job for job in jobs if job.active), jobs[-1] if jobs else None)


def _show_job(shared: Jobs, result: RunResult, job: Job) -> None:
    heals = job.what == "heal"
    if job.exported is not None:
        _show_done(result, job.exported)
        show_training(job)
        show_bits(shared, job, job.exported)
    elif job.active or job.status == "failed":
        watch(job, shared, "Healing" if heals else "Exporting", show_training)
    elif not heals:
        st.info("The export was cancelled; nothing was left at the folder.")


def _show_done(result: RunResult, done: Exported) -> None:
    steps = ("masked", True), ("fitted", done.compensation), ("trained", done.healing)
    kind = " and ".join(word for word, step in steps if step)
    st.success(
        f"**{plain(done.path)}**: layers {plain(named(result.model.players, done.removed))} removed. Loaded "
        f"again with transformers, it has the losses of the {plain(kind)} model; perplexity "
        f"{perplexity(done.perplexity)} (measured) on {plain(done.protocol)}."
    )
    for said in (*_gave(done), *_not_changed(done)):
        st.caption(plain(said))
    st.caption(plain("; ".join(saved(done)) + "."))
    if Path(done.path).is_dir():
        st.link_button("Download as a zip", offer(Path(done.path)), icon=":material/folder_zip:")
    st.code(
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"model = AutoModelForCausalLM.from_pretrained({done.path!r})\n"
        f"tokenizer = AutoTokenizer.from_pretrained({done.path!r})",
        language=PLAIN,
        wrap_lines=True,
    )


def _gave(done: Exported) -> Iterator[str]:
    """What each step gave, on text that no step has seen."""
    fitted, healed = done.compensation, done.healing
    steps = [f"{perplexity(done.plain)} after the cut"]
    if fitted is not None and fitted.accepted:
        before = healed.before if healed is not None else done.perplexity
        steps.append(f"{perplexity(before)} after {fitted.how} at {fitted.accepted} of {len(fitted.cuts)} cuts")
    if healed is not None and healed.kept.step:
        steps.append(f"{perplexity(done.perplexity)} after {healed.kept.step} of {healed.steps} steps of training")
    if fitted is not None or healed is not None:
        yield f"Perplexity step by step (measured): {', '.join(steps)}."
    if healed is not None and healed.kept.step:
        first, kept = perplexity(healed.readings[0].perplexity), perplexity(healed.kept.perplexity)
        yield f"Trained on {healed.text}; of what was held out, perplexity {first} before and {kept} after."


def _not_changed(done: Exported) -> Iterator[str]:
    if done.compensation is not None and not done.compensation.accepted:
        yield "Nothing was changed beside the cuts: no fit lowered the loss on text that it had not seen."
    if done.healing is not None and not done.healing.kept.step:
        yield "Training changed nothing: no step lowered the loss of what was held out."
