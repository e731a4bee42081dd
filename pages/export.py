"""Write the smaller model: what one will get, the folder, the report, and its recipe in the forms of other tools."""

import streamlit as st

from app.dashboard import navigation, parts, reads
from app.dashboard.estimated import predictor_of
from app.dashboard.measured import known, measure, show_known
from app.dashboard.tables import value_table
from app.export.folder_panel import show_folder
from app.export.recipe_panel import show_recipes
from app.export.report import report_of
from app.figures.protocol_chip import protocol_chip
from app.figures.strip import strip
from app.figures.terms_chip import terms_chip
from app.foreign import plain
from app.preview.removal import current
from app.preview.steps import best, ranked
from app.runs.evaluations_panel import download_evaluations
from app.words import named, poor_writing
from app.worker import client
from cache.queries import StoredRun
from core.attribution.stability import rank_intervals
from core.checkpoint.size import BYTES
from core.records.results import RunResult

RUINED = 0.5  # a plan that is so much worse, a share, is exported only when somebody says so once more
shared = client.shared()

with st.container(horizontal=True, vertical_alignment="bottom"):
    st.title("Take the smaller model with you", width="content")
    chips = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")
chosen = parts.pick_run(shared.database)


def show_gain(run: StoredRun, result: RunResult, removed: tuple[int, ...]) -> bool:
    """What one will get; whether nothing speaks against it, or somebody wants it nonetheless."""
    players = result.model.players
    st.html(strip(removed, result))
    here = known(shared.database, run, removed)
    quality, size, layers = st.columns(3)
    worse = None if here is None else here[0] / result.dense_perplexity - 1
    with quality:
        if here is None or worse is None:
            measure(shared, run.resolved, result, removed)
        else:
            show_known(result, here)
    left = result.parameters_without(removed)
    if left is not None:
        width = BYTES[result.model.dtype] / 2**20
        size.metric(
            "Size",
            f"{left * width:,.0f} MiB",
            f"{left / result.model.parameters - 1:+.1%} of {result.model.parameters * width:,.0f} MiB",
            delta_color="off",
            help=f"Of the weights in {plain(result.model.dtype)}: {left / 1e6:,.1f} M parameters are left",
        )
    layers.metric(
        "Layers", f"{len(players) - len(removed):d} of {len(players)}", f"without {plain(named(players, removed))}",
        delta_color="off", delta_arrow="off",
    )  # fmt: skip
    parts.show_uncached(result.model, removed)
    if poor := poor_writing(reads.traits(shared.database, result.model, [removed])[removed].judgement):
        st.warning(poor)
    if worse is None:
        return st.checkbox("Export before it is measured", help="The perplexity above is measured in a moment")
    if worse <= RUINED:
        return True
    st.warning(f"This model would be **{worse:.0%} worse** than the whole one. A smaller cut is on the page Preview.")
    return st.checkbox(f"Export it although it is {worse:.0%} worse")


def show_data(run: StoredRun, result: RunResult) -> None:
    """What the run has measured and found, for other programs."""
    with st.container(horizontal=True):
        download_evaluations(shared.database, run)
        st.download_button(
            "Download contributions",
            lambda: value_table(
                result.overall, rank_intervals(result.overall), result.model.players, "contribution"
            ).to_csv(index=False),
            f"contributions-{run.run}.csv",
            "text/csv",
            icon=":material/download:",
            help="CSV: the stratified contribution of every layer with its intervals and ranks",
        )


def show(run: StoredRun, result: RunResult) -> None:
    """The page for one run."""
    with chips:
        protocol_chip(result)
        terms_chip("layer", "perplexity", "measured", "90 % interval", "dense", "protocol")
    sets = best(shared.database, run) or ranked(shared.database, run, predictor_of(shared.database, run))
    gone = current(run, sets)
    if gone:
        agreed = show_gain(run, result, gone)
        st.page_link(navigation.preview(), label="Change what goes", icon=":material/tune:")
        show_folder(shared, run, result, gone, agreed)
        st.download_button(
            "Download report.html",
            lambda: report_of(shared.database, run, gone),
            f"report-{run.run}.html",
            "text/html",
            help="About 5 MB: it holds what draws the figures, and needs no network",
        )
        with st.expander("The recipe, and other tools: mergekit, llama.cpp, EvoPress"):
            show_recipes(run, result, gone)
    else:
        st.info("Nothing is switched off, so there is no smaller model to export yet. Choose on the page Preview.")
        st.page_link(navigation.preview(), label="Choose what goes", icon=":material/tune:")
    with st.expander("The numbers, for other programs"):
        show_data(run, result)


if chosen is not None and chosen.result is not None:
    show(chosen, chosen.result)
