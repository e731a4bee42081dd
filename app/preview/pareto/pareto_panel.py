"""Every plan as a point between two measures by choice; what is measured of the plan on show, and what could be."""

import pandas as pd
import streamlit as st

from app.dashboard import parts, reads
from app.dashboard.tables import draw_table, show_table
from app.digits import RUINED, significant
from app.foreign import plain
from app.preview.controls import taking
from app.preview.pareto.measures import Measure, Removed, measures
from app.preview.pareto.offers import show_offers
from app.preview.pareto.pareto_figure import Chosen, pareto
from app.preview.steps import Rivals, Steps
from app.preview.writing.verdict_panel import verdicts
from app.words import Players, named
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.records.results import RunResult


def show_pareto(
    shared: Jobs, run: StoredRun, result: RunResult, removed: Removed, best: Steps, ranked: Steps, rivals: Rivals
) -> None:
    """The tab, for the sets that the curve has and the one on show."""
    sets = {"best plans": best.values(), "the paper's ranking": ranked.values(), **rivals}
    chosen = {name: [step.removed for step in steps] for name, steps in sets.items()}
    every = dict.fromkeys([(), *(one for plans in chosen.values() for one in plans), removed])
    measured = reads.all_known(shared.database, run, every)
    perplexities = {one: found[0] for one, found in measured.items() if found[0] <= RUINED}
    perplexities[()] = result.dense_perplexity
    known = reads.traits(shared.database, result.model, tuple(every))
    found = measures(result, perplexities, known)
    if found:
        judged = verdicts(known)
        _draw(run, result, found, chosen, removed, judged)
        _show_row(run.run, result.model.players, found, removed, judged.get(removed))
    else:
        st.info("Nothing is measured yet but the whole model. Search for plans first, in the tab Search.")
    show_offers(shared, run, result, known, [step.removed for step in best.values()], removed)


def _draw(
    run: StoredRun,
    result: RunResult,
    found: dict[str, Measure],
    chosen: Chosen,
    removed: Removed,
    judged: dict[Removed, str],
) -> None:
    """The chart of two measures, and all of them as a table."""
    left, right = st.columns(2)
    titles = {name: measure.title for name, measure in found.items()}
    with left:
        across = parts.pick("across", "Across", sorted(found, key="parameters".__ne__), titles.__getitem__)
    with right:
        up = parts.pick("up", "Up", list(found), titles.__getitem__)
    drawn = pareto(result.model.players, found[across], found[up], chosen, removed)
    parts.show_chart(drawn, key="pareto", take=taking(run.run, result))
    with st.popover("How measured"):
        for name in dict.fromkeys((across, up)):
            st.markdown(f"{plain(titles[name])}: {plain(found[name].how)}.")
        st.markdown("The front: plans that none beats in both measures. ± is a standard error.")
    table = _table(result.model.players, found, chosen, judged)
    show_table(table, "Every plan with all that is known of it", f"pareto-{run.run}")


def _table(players: Players, found: dict[str, Measure], chosen: Chosen, judged: dict[Removed, str]) -> pd.DataFrame:
    """A row for the whole model and each plan."""
    by: dict[Removed, str] = {(): "whole model"}
    for name, plans in chosen.items():
        for removed in plans:
            by.setdefault(removed, name)
    rows = [
        {
            "chosen by": name,
            "removed": len(removed),
            "layers": named(players, removed),
            **{measure.title: measure.values.get(removed) for measure in found.values()},
            **({"writing": judged.get(removed)} if judged else {}),
        }
        for removed, name in by.items()
        if any(removed in measure.values for measure in found.values())
    ]
    return pd.DataFrame(rows)


def _show_row(run: str, players: Players, found: dict[str, Measure], removed: Removed, judged: str | None) -> None:
    """What is known of the set on show, beside the whole model."""

    def told(measure: Measure, of: Removed) -> str:
        if of not in measure.values:
            return "not measured"
        error = measure.errors.get(of, 0.0)
        return significant(measure.values[of]) + (f" ± {significant(error)}" if error > 0 else "")

    rows = [
        {
            "measure": measure.title,
            "whole model": told(measure, ()),
            f"without {named(players, removed)}": told(measure, removed),
        }
        for measure in found.values()
    ]
    if judged is not None:
        rows.append({"measure": "writing", "whole model": "", f"without {named(players, removed)}": judged})
    draw_table(pd.DataFrame(rows), "What is known of the set on show", f"measures-{run}")
