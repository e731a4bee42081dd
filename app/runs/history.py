"""The runs there have been, and what can be done with one of them."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app.dashboard import login, navigation, parts, state
from app.example import shipped
from app.foreign import code, plain
from app.runs.compare_runs import show_comparison
from app.runs.evaluations_panel import download_evaluations, show_imports, show_upload
from app.runs.settings import parted, settings
from app.worker.client import Jobs
from cache import labels, queries
from cache.queries import StoredRun
from core.records.spec import RunSpec

_TABLE = "history"


def show_history(
    shared: Jobs, runs: list[StoredRun], submit: Callable[[RunSpec], None], resumed_above: str | None
) -> None:
    """All runs of this file as a table; the one on show can be looked at, resumed (by `submit`), compared or deleted.

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
        _show_table(runs)
        st.markdown(f"Run {code(chosen.run)} ({plain(shipped.status(chosen))}), as chosen in the sidebar:")
        with st.container(horizontal=True):
            _show_actions(shared, chosen, submit, chosen.run == resumed_above)
        show_comparison(chosen, runs)
    show_upload(shared.database)
    show_imports(shared.database)


def _show_table(runs: list[StoredRun]) -> None:
    """The settings that differ as columns, and those that do not in a sentence."""
    differing, constant = parted([settings(run) for run in runs])
    table = pd.DataFrame([_row(run, differing) for run in runs])
    st.dataframe(
        table,
        hide_index=True,
        alt="All runs, the newest first: their settings that differ, and their ends",
        key=_TABLE,
        on_select=lambda: _chose([run.run for run in runs]),
        selection_mode="single-row",
    )
    same = "; ".join(f"{name} {value}" for name, value in constant.items())
    with st.expander(f"What is the same for {'all of them' if len(runs) > 1 else 'it'}"):
        st.caption(f"{plain(same)}.")
    st.caption("A click on a row chooses its run.")


def _chose(names: list[str]) -> None:
    """Takes the run of the row that was clicked on."""
    rows = state.widget(_TABLE)["selection"]["rows"]
    if rows and rows[0] < len(names):
        state.remember_run(names[rows[0]])


def _row(run: StoredRun, differing: list[str]) -> dict[str, object]:
    own, result = settings(run), run.result
    message = {"message": run.message} if run.message else {}
    return {
        "run": run.run,
        "status": shipped.status(run),
        "started": run.started,
        **{name: own[name] for name in differing},
        "dense perplexity (measured)": result.dense_perplexity if result else None,
        "R² on unseen coalitions": result.surrogate.r2 if result else None,
        **message,
    }


def _show_actions(shared: Jobs, chosen: StoredRun, submit: Callable[[RunSpec], None], resumed_above: bool) -> None:
    st.page_link(
        navigation.contributions(),
        label="Show contributions",
        disabled=chosen.result is None,
        query_params={"run": chosen.run},
    )
    label = "Run again" if chosen.status == "finished" else "Resume"
    if not resumed_above and st.button(label, icon=":material/resume:", disabled=chosen.status == "running"):
        submit(chosen.spec)
    download_evaluations(shared.database, chosen)
    mine = login.may_end(queries.owner(shared.database, chosen.run))
    if st.button(
        "Delete",
        icon=":material/delete:",
        disabled=chosen.status == "running" or not mine,
        help="`label RUN --restore` brings it back for a week. Its evaluations stay: another run that needs them does "
        "not measure them again",
    ):
        labels.delete(shared.database, chosen.run)
        state.forget_run(chosen.run)
        st.rerun()
