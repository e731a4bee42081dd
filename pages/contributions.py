"""What each layer contributes: bars with intervals, heatmaps, ranks, one layer at a time, and a measurement."""

from dataclasses import replace

import streamlit as st

from app import estimated, jobs, views
from app.choice import pick, show_clickable
from app.contribution_figures import value_bars
from app.dependence import show_ranks, show_sequences, show_strata, show_worths
from app.jobs import Job
from app.layer_panel import show_layer
from app.tables import show_table, value_table
from app.value_words import KINDS, UNITS, WORTHS
from app.what_if import show_what_if
from cache import queries
from cache.queries import StoredRun
from core.errors import QuorumError
from core.results import RunResult
from core.stability import rank_intervals, stability

# With fewer, hyperparameters are in doubt, too, and no interval holds that.
_MASKS_A_LAYER = 2
shared = jobs.shared()

st.title("Contributions")
chosen = views.pick_run(shared.database)


def watch(job: Job, seen: int) -> None:
    """Progress of the run on show; new contributions redraw the page."""
    views.show_progress(job, shared)
    if job.revision != seen:
        st.rerun(scope="app")


def show_values(run: StoredRun, result: RunResult) -> None:
    """The chosen value of every layer, and what it depends on."""
    columns = st.columns(3)
    with columns[0]:
        kind = pick("value", "Value", list(KINDS), lambda name: name.capitalize())
    with columns[1]:
        worth = pick("worth", "Worth", list(WORTHS), lambda name: name.replace("_", " "))
    with columns[2]:
        layer = int(pick("layer", "Layer", [str(number) for number in range(result.model.layers)]))
    st.markdown(f"{KINDS[kind]} {WORTHS[worth]}")
    lacks_kl = queries.lacks_divergences(shared.database, run)
    if worth == "kl" and lacks_kl:
        st.info(f"KL is not measured yet. This measures it: `python -m app values {run.run} --worth kl`")
        return
    found, unit = estimated.valued(shared.database, run, kind, worth), UNITS[worth]
    ranks = rank_intervals(found.items)
    show_clickable(value_bars(found.items, f"{kind} value, {unit}", result.protocol, layer), "bars", "layer")
    st.caption(
        f"Estimated by a surrogate: {found.basis}. Whiskers: 90 % intervals for the doubt of having measured some "
        "coalitions only. Orange bands: 90 % for the doubt of having measured on this text (resampled sequences). "
        "Click on a bar, or pick a layer above: its panel is below."
    )
    table = value_table(found.items, ranks)
    show_table(table, f"{kind} value of each layer, least needed first", f"{kind}-{worth}-{run.run}")
    fitted = estimated.surrogate(shared.database, run)
    show_layer(layer, result, found, ranks, unit, fitted)
    show_strata(result, found, unit)
    show_ranks(result, ranks)
    show_worths(shared.database, run, result, kind, list(WORTHS)[: 2 if lacks_kl else 3])
    show_sequences(shared.database, run, result, kind, worth)


def show_run(run: StoredRun, result: RunResult) -> None:
    """Of which model the values are, on which text, and how far the run has come."""
    running = shared.newest()
    if running is not None and running.active and running.run == run.run:
        st.fragment(watch, run_every=1.0)(running, running.revision)
    elif run.status != "finished":
        st.warning(f"This run is {run.status}: these are the contributions so far. Resume it on the page Runs.")
    st.caption(
        f"{result.model.source} ({result.model.architecture}, {result.model.parameters / 1e6:,.0f} M parameters, "
        f"{result.model.dtype} on {result.model.device}) · dense perplexity {result.dense_perplexity:.2f} (measured) · "
        f"{result.protocol} · {result.surrogate.masks} of {result.masks} coalitions measured"
    )


def show_quality(result: RunResult) -> None:
    """How well the surrogate behind the contributions predicts masks that it has not seen."""
    st.subheader("How far to trust them")
    fit = result.surrogate
    st.markdown(
        "The contributions come from a surrogate that predicts the score of a set of layers. These figures compare its "
        f"predictions with measurements of sets that it has **not** seen (five folds). In use: **{fit.name}**."
    )
    with st.container(horizontal=True):
        st.metric("R²", f"{fit.r2:.3f}", help="1 is perfect, 0 is no better than the mean")
        st.metric("Spearman", f"{fit.spearman:.3f}", help="Agreement of the two rankings; 1 is perfect")
        st.metric("Mean absolute error", f"{fit.mae:.4f}", help="In units of the score PPL_dense / PPL")
        st.metric("Coalitions tested", fit.masks)
    st.markdown(f"{stability(result)}.")
    if fit.masks < _MASKS_A_LAYER * result.model.layers:
        st.warning("These are few coalitions for so many layers: the intervals may be too narrow. Measure more.")
    if result.others:
        st.markdown("Other kinds of surrogate on the same coalitions and folds:")
        st.dataframe(views.fit_table(result), hide_index=True, alt="Held-out quality of each kind of surrogate")
        st.caption(
            "The paper trains its network on about 8,000 coalitions; with a few hundred its recipe has hardly begun."
        )
    if result.bands:
        st.markdown(
            "How far a predicted perplexity may be off: nine of ten measured ones are within this factor of it, by the "
            "same folds. The third column tests that on coalitions that had no part in setting the factor."
        )
        alt = "Width and held-out coverage of predictive intervals by number of layers kept"
        st.dataframe(views.band_table(result), hide_index=True, alt=alt)
    if result.precision is not None:
        st.caption(f"{result.precision}.")
    if result.not_finite:
        st.warning(f"{result.not_finite} coalitions have a loss that is not a number; they are in no fit.")


if chosen is not None and chosen.result is not None:
    show_run(chosen, chosen.result)
    try:
        show_values(chosen, chosen.result)
    except QuorumError as error:  # too few coalitions so far: the rest of the page goes on
        views.show_error(error)
    show_quality(chosen.result)
    show_what_if(shared, replace(chosen.spec, dtype=chosen.result.model.dtype), chosen.result)
