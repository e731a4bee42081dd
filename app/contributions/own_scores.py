"""The user's own scores of layers beside the run's values: from a CSV, on one axis, with their rank correlation."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.contributions.score_file import BYTES, read_scores
from app.dashboard import parts
from app.dashboard.session import widgets
from app.dashboard.tables import show_table
from app.digits import HOVER, significant
from app.figures.charts import BLUE, LEGEND, MARGIN, ORANGE, Chart, layer_axis
from app.foreign import plain
from app.words import Players, labels
from core.coalitions.measurements import Floats
from core.coalitions.ranks import rank_correlation, ranks
from core.errors import NotScores
from core.records.results import RunResult


def show_own_scores(result: RunResult, ours: Floats, kind: str) -> None:
    """The chosen values `ours` (n,) of a `kind` beside the scores of a file that the user gives.

    The session keeps the scores: they stay when another tab is looked at.
    """
    kept, field = f"own-scores-{result.run}", f"scores-file-{result.run}"
    widgets.begin(kept, None)
    left, right = st.columns([2, 1], vertical_alignment="center")
    with left:
        st.file_uploader(
            "Your scores: a CSV with the columns layer and score",
            type="csv",
            key=field,
            max_upload_size=max(1, BYTES // 2**20),
            on_change=_take,
            args=(field, kept),
        )
    with right:
        table = pd.DataFrame({"layer": labels(result.model.players), "score": ours})
        st.download_button(
            "The run's values as such a file", lambda: table.to_csv(index=False), "scores.csv", "text/csv"
        )
    if (given := widgets.value(kept)) is None:
        return
    name, content = given
    try:
        theirs = read_scores(content, result.model.players)
    except NotScores as error:
        parts.show_error(error)
        return
    agreement = rank_correlation(ours, theirs)
    said = (
        f"has a rank correlation of **{significant(agreement)}** with the {kind} values"
        if agreement == agreement
        else ("gives all layers the same score: it has no ranks")
    )
    st.markdown(f"{plain(name)} {said}.")
    parts.show_chart(beside(ours, theirs, result.model.players, kind), key="own-scores")
    show_table(
        own_table(ours, theirs, result.model.players, kind),
        "Value and rank of each layer by the run and by your file",
        f"own-scores-{result.run}",
    )


def _take(field: str, kept: str) -> None:
    """Keeps the file that was given, or forgets the one that was taken away."""
    file = widgets.value(field)
    widgets.set_value(kept, None if file is None else (file.name, file.getvalue()))


def own_table(ours: Floats, theirs: Floats, players: Players, kind: str) -> pd.DataFrame:
    """Values and ranks of both; rank 1 is needed least."""
    return pd.DataFrame(
        {
            "layer": labels(players),
            f"{kind} value": ours,
            "your score": theirs,
            "rank by ours": ranks(ours),
            "rank by yours": ranks(theirs),
        }
    )


def beside(ours: Floats, theirs: Floats, players: Players, kind: str) -> Chart:
    """Two bars for each layer, each a share of the largest of its own kind: their units differ."""
    figure = go.Figure()
    for name, values, colour, pattern in ((f"{kind} value", ours, BLUE, ""), ("your score", theirs, ORANGE, "/")):
        figure.add_bar(
            name=name,
            x=list(players),
            y=values / (np.abs(values).max() or 1.0),
            marker={"color": colour, "pattern": {"shape": pattern}},
            customdata=values,
            hovertemplate=f"layer %{{x}}<br>{name} %{{customdata:{HOVER}}}<extra></extra>",
        )
    figure.update_layout(
        height=360,
        margin=MARGIN,
        legend=LEGEND,
        xaxis=layer_axis(players),
        yaxis={"title": "share of the largest of its kind", "zeroline": True},
    )
    apart = ranks(theirs) - ranks(ours)
    most = int(np.abs(apart).argmax())
    alt = (
        f"Bars: {kind} value and your score of each of {len(players)} layers, each as a share of its own largest. Rank "
        f"correlation {significant(rank_correlation(ours, theirs))}. They disagree most on layer {players[most]}: rank "
        f"{ranks(ours)[most]:g} by ours, {ranks(theirs)[most]:g} by yours."
    )
    return Chart(figure, alt)
