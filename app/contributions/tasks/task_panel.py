"""What each layer adds to the answers to tasks, beside what it adds to the prediction of the run's text."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.contributions.tasks.task_form import show_form
from app.dashboard import parts, reads
from app.dashboard.tables import by_layer_table, draw_table, interaction_table, show_table
from app.figures.heatmaps import worth_heatmap
from app.foreign import plain
from app.words import Players, named
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.coalitions.ranks import rank_correlations
from core.records.behaviour.needs import MARGIN, TaskNeeds
from core.records.results import RunResult


def show_tasks(shared: Jobs, run: StoredRun, result: RunResult, kind: str) -> None:
    """Layers by tasks, as far as they have been asked, and the way to ask another."""
    players = result.model.players
    every = reads.needs(shared.database, run.run, len(players))
    found = [one for one in every if one.values.kind == kind]
    if not found:
        others = ", ".join(sorted({one.values.kind for one in every}))
        asked = f"Tasks have been asked for other values: {others}, above." if every else "No task has been asked yet."
        st.info(f"{plain(asked)} The run's coalitions answer its items, and say which layers it needs.")
        show_form(shared, run, result, kind)
        return
    most = max(found, key=lambda one: one.masks)
    columns = {f"{one.title}{_of(one.masks, most.masks)}": one.values for one in found}
    if most.text is not None:
        columns = {"text": most.text, **columns}
    rows = {name: np.array([item.value for item in values.values]) for name, values in columns.items()}
    st.markdown(
        f"{plain(kind.capitalize())} values (estimated). **Each row is divided by its own largest absolute value**; "
        "the first is of the run's text."
    )
    parts.show_chart(worth_heatmap(rows, players), key="tasks")
    alike = pd.DataFrame(rank_correlations(list(rows.values())), columns=list(rows))
    alike.insert(0, "rank correlation", list(rows))
    draw_table(alike, "How alike the rankings of layers are", f"task-ranks-{run.run}")
    with st.container(horizontal=True):
        show_form(shared, run, result, kind)
        with st.popover("How measured"):
            for one in found:
                st.markdown(
                    f"{plain(one.worth)}; {one.masks:d} coalitions. Halves of the items agree on ranks at"
                    f" {one.halves:.2f}."
                )
        _show_pairs(run, found, players)
        _show_plans(run, found, players)
    table = by_layer_table("worth", list(rows), np.stack(list(rows.values())), players)
    show_table(table, "Value of each layer for each task, not divided", f"by-task-{run.run}")


def _show_pairs(run: StoredRun, found: Sequence[TaskNeeds], players: Players) -> None:
    """Interactions in each task, where they were asked for."""
    some = [one for one in found if one.pairs is not None]
    if not some:
        return
    with st.popover("Pairs"):
        for one in some:
            assert one.pairs is not None
            kind, name = one.pairs.kind.capitalize(), one.title
            how = "exact" if one.pairs.surrogate is None else "estimated"
            st.markdown(f"{plain(kind)} interactions in {plain(name)} ({how}), the strongest first")
            table = interaction_table(one.pairs, players)
            draw_table(table, f"Interactions in {name}", f"task-pairs-{run.run}-{one.task}-{one.answers}", height=240)


def _show_plans(run: StoredRun, found: Sequence[TaskNeeds], players: Players) -> None:
    """Each task's own plans beside the run's, where they were asked for."""
    rows = [
        {
            "task": f"{one.title}{', nats' if one.answers == MARGIN else ''}",
            "removed": named(players, plan.removed),
            "left": str(plan.worth),
            "the run's plan": named(players, plan.of_run),
            "left by it": str(plan.worth_of_run),
            "difference": str(plan.difference),
            "whole": str(plan.whole),
            "items": plan.judged_on,
        }
        for one in found
        for plan in one.plans
    ]
    if rows:
        with st.popover("Plans for tasks"):
            st.markdown("Chosen on one half of the items, and measured on the other; ± is a standard error.")
            draw_table(pd.DataFrame(rows), "Plans for tasks beside the run's own", f"task-plans-{run.run}")


def _of(masks: int, most: int) -> str:
    """Over how many coalitions a row is, where it is not over as many as the others."""
    return "" if masks == most else f", {masks} coalitions"
