"""What the values of layers depend on: the number kept, the worth, the text; and how settled their ranks are."""

import numpy as np
import streamlit as st

from app.contributions.layer_figures import rank_figure
from app.dashboard import estimated, parts, reads
from app.dashboard.estimated import Valued
from app.dashboard.tables import by_layer_table, show_table
from app.digits import perplexity
from app.figures.heatmaps import sequence_heatmap, stratum_heatmap, worth_heatmap
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.measurements import Floats
from core.coalitions.worth import WORTHS
from core.records.results import RunResult

# Characters of a sequence in the table.
_BEGINNING = 160


def show_strata(result: RunResult, found: Valued, unit: str) -> None:
    """Layers by strata."""
    players = result.model.players
    st.markdown(
        "Read a column from most layers kept: a layer that matters only while few others are missing fades towards "
        "fewest. Each row: the stratified contribution at one size (estimated)."
    )
    parts.show_chart(stratum_heatmap(result.strata, found.by_stratum, players, unit), key="heatmap")
    table = by_layer_table("layers kept", list(map(str, result.strata)), found.by_stratum, players)
    show_table(table, "Contribution of each layer at each number of layers kept", f"by-stratum-{result.run}")


def show_ranks(result: RunResult, ranks: Floats) -> None:
    """How far the rank of each layer moves."""
    st.markdown(
        "A dot is a layer's rank, a whisker nine of ten ranks that it takes when every value is drawn anew within its "
        "interval over coalitions (estimated). Layers whose whiskers overlap may well change places; more coalitions "
        "shorten the whiskers. The ranks are in the table of values above."
    )
    parts.show_chart(rank_figure(ranks, result.model.players), key="ranks")


def show_worths(database: Database, run: StoredRun, result: RunResult, kind: str) -> None:
    """Layers by worths."""
    st.markdown(
        "**Each row is divided by its own largest absolute value**: compare patterns along a row, not numbers between "
        "rows (estimated)."
    )
    missing = [worth for worth in WORTHS if estimated.lacks(database, run, worth)]
    by_worth = {
        WORTHS[worth].label: np.array([item.value for item in estimated.valued(database, run, kind, worth).items])
        for worth in WORTHS
        if worth not in missing
    }
    parts.show_chart(worth_heatmap(by_worth, result.model.players), key="worths")
    for worth in missing:
        st.caption(estimated.lacking(run, worth))
    table = by_layer_table("worth", list(by_worth), np.stack(list(by_worth.values())), result.model.players)
    show_table(table, "Value of each layer in each worth, not divided", f"by-worth-{kind}-{run.run}")


def show_sequences(database: Database, run: StoredRun, result: RunResult, kind: str, worth: str) -> None:
    """Layers by calibration sequences."""
    st.markdown(
        "The value on each calibration sequence alone (estimated). Many shades in a column: a layer that matters for "
        "some texts only.",
        help="By a surrogate that is fitted to the losses of that sequence. Where layers matter for some texts only, "
        "a run on more sequences is the remedy",
    )
    apart = estimated.taken_apart(database, run, kind, worth)
    dense = estimated.surrogate(database, run).measured.dense  # of losses, also where the worth is KL
    sequences = [f"{number} ({perplexity(value)})" for number, value in enumerate(np.exp(dense), start=1)]
    texts = reads.texts(database, result.model.fingerprint, result.protocol.tokens)
    texts = texts if len(texts) == len(sequences) else ()  # of more sequences than anybody reads, not all are kept
    chart = sequence_heatmap(sequences, apart.by_sequence, result.model.players, WORTHS[worth].unit, texts)
    parts.show_chart(chart, key="sequences")
    if not texts:
        st.caption(
            "The texts are not in the results file: the next measurement of this run keeps them.",
            help="A release that did not keep them, or another machine, has measured this run. Measure a layer, say",
        )
    table = by_layer_table("sequence", sequences, apart.by_sequence, result.model.players)
    if texts:
        table.insert(1, "begins", [" ".join(text.split())[:_BEGINNING] for text in texts])
    show_table(table, "Value of each layer on each calibration sequence", f"by-sequence-{kind}-{worth}-{run.run}")
