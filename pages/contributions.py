"""What each layer contributes: how far to trust it, bars and strip on the first screen, what explains it in tabs."""

import numpy as np
import streamlit as st

from app.contributions.bars import value_bars
from app.contributions.dependence import show_ranks, show_sequences, show_strata, show_worths
from app.contributions.layer_panel import show_layer
from app.contributions.matrix_panel import show_matrix
from app.contributions.overview import explain, show_strip
from app.contributions.own_scores import show_own_scores
from app.contributions.rival_scores import show_rival_scores
from app.contributions.tasks.task_panel import show_tasks
from app.contributions.trust import show_trust
from app.contributions.what_if import show_what_if
from app.dashboard import estimated, parts
from app.dashboard.progress import show_standing
from app.dashboard.refitting import offered
from app.dashboard.session import widgets
from app.dashboard.tables import show_table, value_table
from app.figures.protocol_chip import protocol_chip
from app.figures.terms_chip import terms_chip
from app.words import KINDS
from app.worker import client
from cache.queries import StoredRun
from core.attribution.stability import rank_intervals
from core.coalitions.worth import WORTHS
from core.errors import QuorumError
from core.records.results import RunResult

# What a value of each kind is called in a table.
_HEADS = {"stratified": "contribution", "shapley": "Shapley value", "banzhaf": "Banzhaf value", "local": "local value"}
TABS = {
    "layer": "Layer",
    "depth": "Depth",
    "text": "Text",
    "matrix": "Other texts",
    "worths": "Worth",
    "tasks": "Task",
    "ranks": "Ranks",
    "literature": "Literature",
    "own": "Your scores",
}
shared = client.shared()

with st.container(horizontal=True, vertical_alignment="bottom"):
    st.title("Contributions", width="content")
    chips = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")
chosen = parts.pick_run(shared.database)


def open_layer(name: str) -> None:
    """Puts a layer that was clicked on show, and its panel."""
    widgets.choose("layer", name)
    widgets.choose("tab", "layer")


def show_values(run: StoredRun, result: RunResult) -> None:
    """The chosen value of every layer, and what it depends on."""
    players = result.model.players
    columns = st.columns(4, vertical_alignment="bottom")
    with columns[0]:
        kind = parts.pick("value", "Value", list(KINDS), lambda name: name.capitalize())
    with columns[1]:
        worth = parts.pick("worth", "Worth", list(WORTHS), lambda name: WORTHS[name].label)
    with columns[2]:
        layer = players.index(parts.pick("layer", "Layer", players))
    if estimated.lacks(shared.database, run, worth):
        st.markdown(f"{KINDS[kind]} {WORTHS[worth].sentence}")
        st.info(estimated.lacking(run, worth))
        return
    found, unit = estimated.valued(shared.database, run, kind, worth), WORTHS[worth].unit
    with columns[3]:
        explain(found, kind, worth)
    ranks = rank_intervals(found.items)
    parts.show_chart(value_bars(found.items, players, f"{kind} value, {unit}", layer, 320), "bars", take=open_layer)
    said = "Exact" if found.basis.startswith("Exact") else "Estimated"
    st.caption(f"{said}. Whiskers: 90 % over coalitions; orange: texts.")
    show_strip(shared.database, run, result)
    table = value_table(found.items, ranks, players, _HEADS[kind])
    show_table(table, f"{kind} value of each layer, least needed first", f"{kind}-{worth}-{run.run}")
    tab = parts.pick("tab", "Details", list(TABS), TABS.__getitem__, row=True)
    # Each tab has a place of its own: what the browser takes over from another one keeps the focus of the keyboard.
    with [st.container() for _ in TABS][list(TABS).index(tab)]:
        if tab == "layer":
            show_layer(shared.database, run, layer, found, ranks, unit)
            show_what_if(shared, run.resolved, result)
        elif tab == "depth":
            show_strata(result, found, unit)
        elif tab == "text":
            show_sequences(shared.database, run, result, kind, worth)
        elif tab == "matrix":
            show_matrix(shared.database, run)
        elif tab == "worths":
            show_worths(shared.database, run, result, kind)
        elif tab == "tasks":
            show_tasks(shared, run, result, kind)
        elif tab == "ranks":
            show_ranks(result, ranks)
        elif tab == "literature":
            show_rival_scores(shared, run, result, np.array([item.value for item in found.items]), kind)
        else:
            show_own_scores(result, np.array([item.value for item in found.items]), kind)


if chosen is not None and chosen.result is not None:
    with chips:
        protocol_chip(chosen.result)
        terms_chip("layer", "coalition", "worth", "contribution", "strata", "surrogate", "rank correlation", "dense")
    show_standing(chosen, shared)
    trust, values = st.container(), st.container()
    chosen = offered(shared.database, chosen)
    assert chosen.result is not None
    with trust:
        show_trust(chosen, chosen.result)
    with values:
        try:
            show_values(chosen, chosen.result)
        except QuorumError as error:  # too few coalitions so far: the rest of the page goes on
            parts.show_error(error)
