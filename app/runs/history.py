"""The runs there have been, and what can be done with one of them."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app.dashboard import navigation, parts, reads
from app.dashboard.session import state, widgets
from app.dashboard.tables import offer_files
from app.example import shipped
from app.foreign import code, plain
from app.runs.evaluations_panel import download_evaluations, show_imports, show_upload
from app.runs.label_panel import show_deleted, show_label
from app.runs.settings import parted, settings
from app.words import called
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.records.spec import RunSpec
from core.selection.targets import ACCEPTED

_TABLE = "history"
_GOING = f"can go for {ACCEPTED:.0%}"
# Numbers stay numbers, by which the table sorts.
_SHOWN = {
    "name": st.column_config.TextColumn(width="medium"),
    "dense perplexity (measured)": st.column_config.NumberColumn("dense perplexity", format="%.3g"),
    _GOING: st.column_config.NumberColumn(
        format="%d layers", help="By the best plans known, as measured; empty where nothing was searched for"
    ),
    "R² on unseen coalitions": st.column_config.NumberColumn("R² unseen", format="%.2f"),
    "started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
}
_ALWAYS = ("model", "text")  # settings that are columns though they are the same


def show_history(
    shared: Jobs, runs: list[StoredRun], submit: Callable[[RunSpec], None], resumed_above: str | None
) -> None:
    """All runs of this file as a table; the one on show can be looked at, resumed (by `submit`), or labelled.

    Args:
        shared: the server's jobs.
        runs: all of them, the newest first.
        submit: asks for a run.
        resumed_above: the run for which the page has a button already.
    """
    chosen = parts.run_on_show(runs)
    if chosen is not None:
        if state.remembered_run() == chosen.run:
            state.remember_run(chosen.run)
        st.header("History")
        _show_table(_sought(runs), reads.can_go(shared.database))
        name = f"**{plain(chosen.label.name)}**, run" if chosen.label.name else "Run"
        put = ", archived" if chosen.label.archived else ""
        st.markdown(f"{name} {code(chosen.run)} ({plain(shipped.status(chosen) + put)}), as chosen in the sidebar:")
        for line in chosen.label.note.splitlines():
            st.caption(plain(line))
        with st.container(horizontal=True):
            _show_actions(shared, chosen, submit, chosen.run == resumed_above)
    show_deleted(shared.database)
    show_upload(shared.database)
    show_imports(shared.database)


def _sought(runs: list[StoredRun]) -> list[StoredRun]:
    """The runs that hold every word that is searched for; those in the archive where they are asked for."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Search", placeholder="name, note, model, text or id", width=400).casefold().split()
        archived = any(run.label.archived for run in runs) and st.toggle("Archived")
    there = [run for run in runs if archived or not run.label.archived]
    return [run for run in there if all(word in _text(run) for word in words)] if words else there


def _text(run: StoredRun) -> str:
    parts = (run.label.name, run.label.note, called(run.spec.model), run.spec.model, run.spec.corpus, run.run)
    return "\n".join(parts).casefold()


def _show_table(runs: list[StoredRun], can_go: dict[str, int]) -> None:
    """The settings that differ as columns, and those that do not in a sentence; how many layers `can_go`, by run."""
    if not runs:
        st.info("No run is like that.")
        return
    differing, constant = parted([settings(run) for run in runs])
    columns = [*_ALWAYS, *(name for name in differing if name not in _ALWAYS)]
    table = pd.DataFrame([_row(run, columns, can_go.get(run.run)) for run in runs])
    if not any(run.label.name for run in runs):
        table = table.drop(columns="name")
    st.dataframe(
        table,
        hide_index=True,
        column_config=_SHOWN,
        alt="The runs, the newest first: what they have come to, their settings that differ",
        key=_TABLE,
        on_select=lambda: _chose([run.run for run in runs]),
        selection_mode="single-row",
    )
    offer_files(table, "runs")
    same = "; ".join(f"{name} {value}" for name, value in constant.items())
    with st.expander(f"What is the same for {'all of them' if len(runs) > 1 else 'it'}"):
        st.caption(f"{plain(same)}.")
    st.caption("Click a row to choose its run.")


def _chose(names: list[str]) -> None:
    """Takes the run of the row that was clicked on."""
    rows = widgets.value(_TABLE)["selection"]["rows"]
    if rows and rows[0] < len(names):
        state.remember_run(names[rows[0]])


def _row(run: StoredRun, columns: list[str], can_go: int | None) -> dict[str, object]:
    own, found = settings(run) | {"model": called(run.spec.model)}, run.findings
    message = {"message": run.message} if run.message else {}
    return {
        "name": run.label.name,
        "run": run.run,
        **{name: own[name] for name in columns if name in _ALWAYS},
        "status": shipped.status(run),
        "dense perplexity (measured)": found.dense_perplexity if found else None,
        _GOING: can_go,
        "matters most": f"layer {found.matters_most}" if found else None,
        "R² on unseen coalitions": found.r2 if found else None,
        "started": run.started,
        **{name: own[name] for name in columns if name not in _ALWAYS},
        **message,
    }


def _show_actions(shared: Jobs, chosen: StoredRun, submit: Callable[[RunSpec], None], resumed_above: bool) -> None:
    st.page_link(
        navigation.contributions(),
        label="Show contributions",
        disabled=chosen.findings is None,
        query_params={"run": chosen.run},
    )
    label = "Run again" if chosen.status == "finished" else "Resume"
    if not resumed_above and st.button(label, icon=":material/resume:", disabled=chosen.status == "running"):
        submit(chosen.spec)
    download_evaluations(shared.database, chosen)
    show_label(shared.database, chosen)
