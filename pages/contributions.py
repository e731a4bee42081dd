"""What each layer contributes: bars with intervals, heatmaps, ranks, one layer at a time, and a measurement."""

import numpy as np
import streamlit as st

from app.contributions.bars import value_bars
from app.contributions.dependence import show_ranks, show_sequences, show_strata, show_worths
from app.contributions.layer_panel import show_layer
from app.contributions.rival_scores import show_rival_scores
from app.contributions.what_if import show_what_if
from app.dashboard import estimated, navigation, parts
from app.dashboard.progress import show_standing
from app.dashboard.refitting import offered
from app.dashboard.tables import show_table, value_table
from app.foreign import plain
from app.words import KINDS, called
from app.worker import client
from cache.queries import StoredRun
from core.attribution.stability import rank_intervals, stability
from core.coalitions.worth import WORTHS
from core.errors import QuorumError
from core.records.results import RunResult

# With fewer, hyperparameters are in doubt, too, and no interval holds that.
_MASKS_A_LAYER = 2
# What a value of each kind is called in a table.
_HEADS = {"stratified": "contribution", "shapley": "Shapley value", "banzhaf": "Banzhaf value", "local": "local value"}
shared = client.shared()

st.title("Contributions")
chosen = parts.pick_run(shared.database)


def show_values(run: StoredRun, result: RunResult) -> None:
    """The chosen value of every layer, and what it depends on."""
    columns, players = st.columns(3), result.model.players
    with columns[0]:
        kind = parts.pick("value", "Value", list(KINDS), lambda name: name.capitalize())
    with columns[1]:
        worth = parts.pick("worth", "Worth", list(WORTHS), lambda name: WORTHS[name].label)
    with columns[2]:
        layer = players.index(parts.pick("layer", "Layer", players))
    st.markdown(f"{KINDS[kind]} {WORTHS[worth].sentence}")
    if estimated.lacks(shared.database, run, worth):
        st.info(estimated.lacking(run, worth))
        return
    found, unit = estimated.valued(shared.database, run, kind, worth), WORTHS[worth].unit
    ranks = rank_intervals(found.items)
    bars = value_bars(found.items, players, f"{kind} value, {unit}", result.protocol, layer)
    parts.show_chart(bars, "bars", take=parts.choosing("layer"))
    st.caption(
        f"{plain(found.basis)}. Whiskers: 90 % intervals for the doubt of having measured some "
        "coalitions only. Orange bands: 90 % for the doubt of having measured on this text (resampled sequences). "
        "Click on a bar, or pick a layer above: its panel is below."
    )
    table = value_table(found.items, ranks, players, _HEADS[kind])
    show_table(table, f"{kind} value of each layer, least needed first", f"{kind}-{worth}-{run.run}")
    show_layer(shared.database, run, layer, found, ranks, unit)
    show_strata(result, found, unit)
    show_ranks(result, ranks)
    show_worths(shared.database, run, result, kind)
    show_sequences(shared.database, run, result, kind, worth)
    own = np.array([item.value for item in found.items])
    show_rival_scores(shared, run, result, own, kind)


def show_run(run: StoredRun, result: RunResult) -> None:
    """Of which model the values are, on which text, and how far the run has come."""
    show_standing(run, shared)
    st.caption(
        f"{plain(called(result.model.source))} ({plain(result.model.architecture)}, "
        f"{result.model.parameters / 1e6:,.0f} M parameters, "
        f"{plain(result.model.dtype)} on {plain(result.model.device)}) · dense perplexity "
        f"{result.dense_perplexity:.2f} (measured) · "
        f"{plain(result.protocol)} · {result.surrogate.masks} of {result.masks} coalitions measured"
    )


def show_quality(run: StoredRun, result: RunResult) -> None:
    """How settled the contributions are, and how good the surrogate is that they come from."""
    st.header("How far to trust them")
    fit = result.surrogate
    if run.refit is not None:
        st.caption("These are the figures of the run's own contributions, without what the refit takes in.")
    if result.is_exact:
        st.markdown("They are exact: every coalition was measured, and no surrogate has a part in them.")
        return
    st.markdown(
        f"They come from what was measured and, for the rest, a surrogate ({plain(fit.name)}), whose R² on {fit.masks} "
        f"coalitions that it had **not** seen is {fit.r2:.3f}. {stability(result)}."
    )
    st.page_link(navigation.surrogate(), label="Predicted against measured, on the page Surrogate")
    if fit.masks < _MASKS_A_LAYER * len(result.model.players):
        st.warning("These are few coalitions for so many layers: the intervals may be too narrow. Measure more.")


if chosen is not None and chosen.result is not None:
    show_run(chosen, chosen.result)
    chosen = offered(shared.database, chosen)
    assert chosen.result is not None
    try:
        show_values(chosen, chosen.result)
    except QuorumError as error:  # too few coalitions so far: the rest of the page goes on
        parts.show_error(error)
    show_quality(chosen, chosen.result)
    show_what_if(shared, chosen.resolved, chosen.result)
