"""Write the smaller model, and its recipe in the forms in which other tools take it."""

import re
from dataclasses import asdict
from pathlib import Path

import streamlit as st

from app.dashboard import login, navigation, parts, reads
from app.dashboard.progress import watch
from app.dashboard.tables import value_table
from app.export.recipe_panel import PLAIN, show_recipes
from app.export.report import show_report
from app.foreign import plain
from app.preview.controls import best, current, ranked
from app.runs.evaluations_panel import download_evaluations
from app.words import named, saved
from app.worker import client
from cache.queries import StoredRun
from core.attribution.stability import rank_intervals
from core.errors import QuorumError
from core.export.recipe import UNCACHED
from core.export.target import named_target
from core.records.results import RunResult

shared = client.shared()

st.title("Take the smaller model with you")
chosen = parts.pick_run(shared.database)


def show_folder(run: StoredRun, result: RunResult, removed: tuple[int, ...]) -> None:
    """The export itself: a folder that plain `from_pretrained` loads."""
    st.header("A folder for transformers")
    name = f"{Path(result.model.source).name or 'model'}-without-{len(removed)}-{run.run}"
    name = st.text_input(
        "Name of the folder",
        re.sub(r"[^\w.+@-]", "-", name).lstrip("._+@-")[:120],
        help="Below the folder exports of $QUORUM_HOME, on the machine that runs Quorum",
    )
    last = shared.newest("export", run.run)
    # Asked only where an export has been refused for it.
    asked = last is not None and last.status == "failed" and UNCACHED in last.hint
    uncached = asked and st.checkbox("Write it although it generates without a cache alone, and slowly")
    if st.button("Export", type="primary", icon=":material/save:", disabled=run.status != "finished"):
        try:
            out = named_target(name)
        except QuorumError as error:
            parts.show_error(error)
            return
        shared.task(
            "export",
            run.resolved,
            login.visitor(),
            run=run.run,
            result=asdict(result),
            removed=removed,
            out=str(out),
            uncached=uncached,
        )
        st.rerun()
    if run.status != "finished":
        st.caption("A run can be exported when it is finished.")
    job = shared.newest("export", run.run)
    if job is None:
        return
    if job.exported is not None:
        done = job.exported
        st.success(
            f"**{plain(done.path)}**: layers {plain(named(result.model.players, done.removed))} removed. Loaded "
            "again with transformers, it has the losses of the masked model; perplexity "
            f"{done.perplexity:.2f} (measured) on {plain(done.protocol)}."
        )
        st.caption(plain("; ".join(saved(done)) + "."))
        st.code(
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
            f"model = AutoModelForCausalLM.from_pretrained({done.path!r})\n"
            f"tokenizer = AutoTokenizer.from_pretrained({done.path!r})",
            language=PLAIN,
            wrap_lines=True,
        )
    elif job.active or job.status == "failed":
        watch(job, shared, "Exporting")
    else:
        st.info("The export was cancelled; nothing was left at the folder.")


def show_data(run: StoredRun, result: RunResult) -> None:
    """What the run has measured and found, for other programs."""
    st.header("The numbers")
    with st.container(horizontal=True):
        download_evaluations(shared.database, run)
        st.download_button(
            "Download contributions",
            lambda: value_table(
                result.overall, rank_intervals(result.overall), result.model.players, "contribution"
            ).to_csv(index=False),
            f"contributions-{run.run}.csv",
            "text/csv",
            icon=":material/download:",
            help="CSV: the stratified contribution of every layer with its intervals and ranks",
        )


if chosen is not None and chosen.result is not None:
    names = chosen.result.model.players
    gone = current(chosen.run, names, best(reads.selection(shared.database, chosen.run)) or ranked(chosen.result))
    st.markdown(
        f"Layers to remove: **{plain(named(names, gone) or 'none')}** ({len(gone)} of {len(names)}). "
        "They are chosen on the page Preview."
    )
    st.page_link(navigation.preview(), label="Change them", icon=":material/tune:")
    if gone:
        parts.show_uncached(chosen.result.model, gone)
        show_folder(chosen, chosen.result, gone)
        show_recipes(chosen, chosen.result, gone)
        show_report(shared.database, chosen, chosen.result, gone)
    else:
        st.info("Nothing is switched off, so there is no smaller model to export yet.")
    show_data(chosen, chosen.result)
