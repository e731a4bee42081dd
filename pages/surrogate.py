"""How far the surrogate can be trusted: the verdict, predictions against measurements, and the rest in tabs."""

import pandas as pd
import streamlit as st

from app.dashboard import parts
from app.dashboard.progress import show_standing
from app.dashboard.tables import draw_table
from app.figures.protocol_chip import protocol_chip
from app.figures.terms_chip import terms_chip
from app.foreign import plain
from app.surrogate.explain import show_why
from app.surrogate.extrapolation import show_beyond
from app.surrogate.fit_figures import learning_curve
from app.surrogate.fit_tables import fit_table
from app.surrogate.held_out_panel import explain, show_fit, show_held_out, show_sizes
from app.surrogate.verdict import show_verdict
from app.worker import client
from cache import queries
from cache.queries import StoredRun
from core.records.diagnostics import Diagnostics, HeldOut, Step
from core.records.results import RunResult

TABS = {
    "sizes": "By size",
    "kinds": "Kinds",
    "curve": "Learning curve",
    "beyond": "Extrapolation",
    "why": "Why one set",
}
shared = client.shared()

with st.container(horizontal=True, vertical_alignment="bottom"):
    st.title("Surrogate", width="content")
    chips = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")
chosen = parts.pick_run(shared.database)


def show_kinds(result: RunResult) -> None:
    """The kinds of surrogate beside the one in use."""
    if not result.others:
        st.info("No other kinds were compared in this run.")
        return
    st.markdown("On the same coalitions and folds:")
    draw_table(fit_table(result), "Held-out quality of each kind of surrogate", f"kinds-{result.run}")
    st.caption(
        "The paper trains its network on about 8,000 coalitions; with a few hundred its recipe has hardly begun."
    )


def show_curve(result: RunResult, curve: tuple[Step, ...]) -> None:
    """What more measurements would bring."""
    st.markdown(
        f"**{plain(result.surrogate.name)}**, learnt from a part of the coalitions, tested on the same held-out ones. "
        "Where the curve is flat, more would change little."
    )
    parts.show_chart(learning_curve(curve), key="curve")
    table = pd.DataFrame({"learnt from": step.masks, "R²": step.r2, "Spearman": step.spearman} for step in curve)
    draw_table(table, "R² and rank correlation by number of coalitions learnt from", f"learning-{result.run}")


def show_tabs(run: StoredRun, result: RunResult, found: Diagnostics, held: HeldOut) -> None:
    """What explains the first screen, one part at a time."""
    tab = parts.pick("tab", "Details", list(TABS), TABS.__getitem__, row=True)
    with [st.container() for _ in TABS][list(TABS).index(tab)]:
        if tab == "sizes":
            show_sizes(result, found, held)
        elif tab == "kinds":
            show_kinds(result)
        elif tab == "curve":
            show_curve(result, found.curve)
        elif tab == "beyond":
            show_beyond(result, found.beyond)
        else:
            show_why(shared.database, run, result)


def show(run: StoredRun, result: RunResult) -> None:
    """The page of a run with a result."""
    finished = run.status == "finished"
    found = queries.diagnostics(shared.database, run.run) if finished else None
    with chips:
        if found is not None:
            explain(result, found)
        protocol_chip(result)
        terms_chip("surrogate", "coalition", "R²", "rank correlation", "90 % interval", "measured", "worth", "dense")
    show_standing(run, shared)
    verdict = st.container()
    held = show_fit(result, found)
    if result.not_finite:
        st.warning(f"{result.not_finite} coalitions have a loss that is not a number; they are in no fit.")
    if found is not None and held is not None:
        show_held_out(result, found, held)
        show_tabs(run, result, found, held)
        with verdict:  # it takes seconds when it is first asked for: after all else is there
            show_verdict(shared.database, run)
    elif finished:
        st.info(
            "This run ended in an earlier release, which kept no predictions. Run it again on the page Runs: nothing "
            "is measured anew, everything comes from the cache."
        )
    else:
        st.info("Predictions are held against measurements at the end of a run: finish this one on the page Runs.")


if chosen is not None and chosen.result is not None:
    show(chosen, chosen.result)
