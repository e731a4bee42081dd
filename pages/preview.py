"""Choose how many layers go, by eye: a slider, the perplexity predicted and measured, and what the model writes."""

import numpy as np
import streamlit as st

from app.cli.opening import settled
from app.dashboard import navigation, parts, reads
from app.dashboard.estimated import predictor_of
from app.dashboard.measured import known, measure, show_known, show_prediction
from app.dashboard.tables import plan_table
from app.preview.controls import Sets, best, current, ranked, show_controls, usual
from app.preview.curve import curve
from app.preview.search_panel import show_rivals, show_search
from app.preview.speed_panel import show_size
from app.preview.writing_panel import show_continuations
from app.words import named
from app.worker import client
from cache.queries import StoredRun
from core.errors import SelectionError
from core.records.plans import Selection
from core.records.results import RunResult
from core.selection.removal_paths import knee

FIRST = {"search": "best plans found by the search", "contribution": "least contribution first (the paper's ranking)"}
shared = client.shared()

st.title("How many layers can go?")
chosen = parts.pick_run(shared.database)


def sets_of(result: RunResult, found: Selection | None) -> Sets:
    """What the slider goes through: for each number of removed layers, which ones."""
    if found is None:
        st.caption("Layers go by least contribution first (the paper's ranking), until a search has found better sets.")
        return ranked(result)
    how = parts.pick("first", "Which layers go first", list(FIRST), FIRST.__getitem__)
    return best(found) if how == "search" else ranked(result)


def show(run: StoredRun, result: RunResult) -> None:
    """The page for one run."""
    spec = settled(run)
    found = reads.selection(shared.database, run.run)
    predict = predictor_of(shared.database, run)
    sets = sets_of(result, found)
    expected = {count: predict.predict(gone) for count, gone in sets.items()} if predict is not None else {}
    plans = found.plans if found is not None else ()
    perplexities = {count: item.perplexity for count, item in expected.items()} | {
        plan.count: plan.ratio * result.dense_perplexity for plan in plans if sets.get(plan.count) == plan.removed
    }
    try:
        removed = current(run.run, result.model.players, sets)
    except SelectionError as error:
        parts.show_error(error)
        removed = usual(result.model.players, sets)
    show_controls(run.run, result, removed, sets, perplexities)
    here = known(shared.database, run, removed)
    guess = predict.predict(removed) if predict is not None and removed else None
    columns = st.columns(3)
    with columns[0]:
        if here is not None:
            show_known(result, here)
        else:
            measure(shared, spec, result, removed)
    with columns[1]:
        if guess is not None:
            show_prediction(result, guess)
        elif predict is None:
            st.caption("Predictions appear when the run is finished.")
    with columns[2]:
        show_size(shared, spec, result, removed)
    st.caption(
        f"On the text of the run, {result.protocol}. The layers were chosen on it, so that these figures are a little "
        "too good; the comparison below and the export measure on text that nobody has seen."
    )
    if expected:
        losses = [0.0, *(float(np.log(plan.ratio)) for plan in plans)]
        star = None
        if here is not None:
            star = len(removed), here[0], "measured"
        elif guess is not None:
            star = len(removed), guess.perplexity, "extrapolated" if guess.extrapolated else "predicted"
        if star is not None:
            parts.show_chart(curve(result, found, expected, knee(losses), star), key="curve")
    if found is not None:
        with st.expander("Plans as a table"):
            table = plan_table(found.plans, result.model.players)
            st.dataframe(table, hide_index=True, alt="The best plan of every number of removed layers")
            st.download_button("Download CSV", table.to_csv(index=False), f"plans-{run.run}.csv", "text/csv")
            st.caption(
                f"Measured on {found.protocol}; {found.coalitions} coalitions looked at for {found.spent:.2f} units. "
                "Intervals: 90 %, for other text of this kind."
                + (
                    f" Layers that had to stay: {named(result.model.players, found.protected)}."
                    if found.protected
                    else ""
                )
            )
    show_search(shared, run, spec, found)
    st.page_link(navigation.export(), label="Export this model", icon=":material/save:")
    show_continuations(shared, spec, result.model.players, removed)
    show_rivals(shared, run, spec)


if chosen is not None and chosen.result is not None:
    show(chosen, chosen.result)
