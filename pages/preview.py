"""Choose how many layers go, by eye: a curve, a slider, a strip of layers, and the perplexity that was measured."""

import streamlit as st

from app.dashboard import estimated, parts
from app.dashboard.refitting import offered
from app.dashboard.session import state
from app.figures.protocol_chip import protocol_chip
from app.figures.terms_chip import terms_chip
from app.preview import removal, steps
from app.preview.controls import show_accepted, show_slider, show_strip, show_ways_back, taking
from app.preview.curve import curve
from app.preview.preview_tabs import show_details
from app.preview.removal_cost import place_of, show_export, show_readings
from app.worker import client
from cache.queries import StoredRun
from core.errors import SelectionError
from core.records.results import RunResult

shared = client.shared()

with st.container(horizontal=True, vertical_alignment="bottom"):
    st.title("How many layers can go?", width="content")
    chips = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")
chosen = parts.pick_run(shared.database)


def removal_of(run: StoredRun, result: RunResult, sets: steps.Steps) -> tuple[int, ...]:
    """The layers that are switched off; the usual ones where the address asks for what there is not."""
    try:
        return removal.current(run, sets)
    except SelectionError as error:
        parts.show_error(error)
        return steps.usual(result, sets)


def show(run: StoredRun, result: RunResult) -> None:
    """The page for one run: what one chooses by is on the first screen, what explains it in tabs."""
    with chips:
        protocol_chip(result)
        terms_chip("layer", "perplexity", "measured", "surrogate", "90 % interval", "contribution", "dense")
    run = offered(shared.database, run)
    predict = estimated.predictor_of(shared.database, run)
    best, ranked = steps.best(shared.database, run), steps.ranked(shared.database, run, predict)
    sets = best or ranked
    removed = removal_of(run, result, sets)
    left, right = st.columns([5, 2])
    with right:
        show_readings(shared, run, result, removed, predict)
        show_export(result, removed)
        show_ways_back(run.run)
        accepted = show_accepted(run.run, result, sets)
    with left:
        marks = steps.bend(result, sets), result.dense_perplexity * (1 + accepted)
        place = place_of(shared, run, removed, predict)
        chosen_by = steps.choices(shared.database, run)
        after = steps.compensated(shared.database, run)
        drawn = curve(result, best, ranked, {**chosen_by, **after}, marks, place)
        parts.show_chart(drawn, key="curve", take=taking(run.run, result))
        show_slider(run.run, result, removed, sets)
        show_strip(run.run, result, removed)
    parts.show_uncached(result.model, removed)
    st.caption(
        "A little too good: the layers were chosen on this text.",
        help="The comparison with the literature, and the export, measure on text that nobody has seen",
    )
    count, earlier = len(removed), state.removal(run.run, back=1)
    others = {
        **({"Best plan": best[count].removed} if count in best else {}),
        **({"Ranking": ranked[count].removed} if count in ranked else {}),
        **{name.capitalize(): one.removed for name, each in after.items() for one in each if len(one.removed) == count},
        **({"Before": earlier} if earlier is not None else {}),
    }
    show_details(shared, run, result, removed, others, (best, ranked, chosen_by))


if chosen is not None and chosen.result is not None:
    show(chosen, chosen.result)
