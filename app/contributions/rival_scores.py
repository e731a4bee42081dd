"""The contributions beside the scores of the literature's one-shot criteria: asked for, watched, and shown by rank."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import login, parts, reads
from app.dashboard.progress import watch
from app.dashboard.tables import draw_table, show_table
from app.example import shipped
from app.figures.heatmaps import rank_heatmap
from app.foreign import plain
from app.words import duration, labels
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.checkpoint.size import BYTES
from core.coalitions.masks import encode, without
from core.coalitions.measurements import Floats
from core.coalitions.players import are_halves
from core.coalitions.ranks import rank_correlation, ranks
from core.records.plans import Scores
from core.records.results import RunResult

_OURS = "ours"
# A criterion's name -> what it is called, and what its score is.
CRITERIA = {
    "shortgpt": ("ShortGPT", "block influence: 1 − cosine of a layer's input and output"),
    "one-shot": ("one-shot perplexity", "loss without this layer alone, nats a token"),
    "taylor": ("Taylor", "sum of |weight × gradient| of the layer"),
    "magnitude": ("magnitude", "mean |weight| of the layer"),
}
# The whole model's forwards that the criteria take beside one for each layer: block influence, and gradients.
_FORWARDS = 4


@dataclass(frozen=True)
class MethodRanks:
    """Values of players by several methods, the run's own first."""

    methods: tuple[str, ...]
    values: Floats  # (methods, n), each in a unit of its own
    ranks: Floats  # (methods, n), 1 goes first
    correlations: tuple[float, ...]  # Spearman's, of each method with the first


def ranks_by_method(own: Floats, found: Scores) -> MethodRanks:
    """Ranks of the run's values (n,) and of the criteria's scores; a score that is not a number goes first."""
    methods = [method for method in CRITERIA if method in found.by_method]
    values = np.array([own, *(found.by_method[method] for method in methods)])
    ranked = np.array([ranks(np.where(np.isnan(row), -np.inf, row)) for row in values])
    correlations = tuple(rank_correlation(ranked[0], row) for row in ranked)
    return MethodRanks((_OURS, *(CRITERIA[method][0] for method in methods)), values, ranked, correlations)


def show_rival_scores(shared: Jobs, run: StoredRun, result: RunResult, own: Floats, kind: str) -> None:
    """The chosen values `own` (n,) of a `kind` beside what the literature's criteria say of the same layers."""
    st.markdown(
        f"The ranks of one-shot scores beside those of the {kind} values: rank 1 goes first. Where a column changes "
        "its shade, methods disagree."
    )
    job, found = shared.newest("score", run.run), reads.scores(shared.database, run.run)
    if job is not None and (job.active or job.status == "failed"):
        watch(job, shared, "Measuring the literature's scores")
    if found is not None:
        _show(result, ranks_by_method(own, found), found)
    if job is None or not job.active:
        takes, known = _takes(shared, run, result), found is not None
        if not known:
            st.caption(takes)
        if st.button(
            f"Measure the rivals' scores{' again' if known else ''}",
            icon=":material/balance:",
            disabled=run.status != "finished",
            help=takes if known else None,
        ):
            shared.task("score", run.resolved, login.visitor(), run=run.run, game=run.game)
            st.rerun()


def _show(result: RunResult, found: MethodRanks, scores: Scores) -> None:
    players = result.model.players
    parts.show_chart(rank_heatmap(found.methods, found.ranks, players), key="rivals-ranks")
    agreement = pd.DataFrame({"method": found.methods[1:], "rank correlation with ours": found.correlations[1:]})
    agreement["what its score is"] = [CRITERIA[method][1] for method in CRITERIA if method in scores.by_method]
    alt = "Rank correlation (Spearman) of each criterion with our values"
    draw_table(agreement, alt, f"rivals-agreement-{result.run}")
    table = pd.DataFrame({"layer": labels(players)})
    for method, values, row in zip(found.methods, found.values, found.ranks, strict=True):
        table[method], table[f"rank by {method}"] = values, row
    show_table(table, "Value and rank of each layer by each method", f"rivals-{result.run}")
    if scores.protocol != result.protocol:
        st.caption(f"Scores on another text than the run's: {plain(scores.protocol)}.")
    st.caption(
        "Measured by each method; ours estimated. The page Preview compares whole methods by perplexity on other text."
    )


def _takes(shared: Jobs, run: StoredRun, result: RunResult) -> str:
    """What measuring takes, before it begins; halves have no block influence, and packed weights no gradients."""
    model = result.model
    singles = tuple(encode(without(len(model.players), [player])) for player in range(len(model.players)))
    missing = len(singles) - len(reads.losses(shared.database, run.game, singles))
    forwards = ["one forward"] * (not are_halves(model.players)) + ["one with gradients"] * (not model.quantisation)
    removals = f"the {missing} of {len(singles)} removals of one layer that are not in the results file yet"
    words = f"To measure: {', '.join([*forwards, removals])}."
    if result.measured and not shipped.is_example(run):
        seconds = (missing + _FORWARDS) * result.seconds / result.measured
        words += f" Time: about {duration(seconds)} and the loading of the model (estimated from this run)."
    if model.quantisation:
        return words
    gradients = model.parameters * (4 + BYTES.get(model.dtype, 4)) / 2**30
    return f"{words} Memory: gradients take up to {gradients:.1f} GiB beside the model (predicted from sizes)."
