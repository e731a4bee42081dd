"""What the removal on show costs, in numbers: its perplexity, measured and predicted, and what is left of the model."""

import streamlit as st

from app.dashboard import navigation, reads
from app.dashboard.measured import known, measure, show_known, was_predicted
from app.digits import perplexity
from app.foreign import plain
from app.preview.curve import Place
from app.preview.speed_panel import show_size
from app.words import named
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.attribution.prediction import Predictor
from core.records.results import RunResult


def place_of(shared: Jobs, run: StoredRun, removed: tuple[int, ...], predict: Predictor | None) -> Place | None:
    """Where the removal stands, measured if it can be; None while nothing is known."""
    here = known(shared.database, run, removed)
    if here is not None:
        return removed, here[0], "measured"
    if predict is None or not removed:
        return None
    guess = predict.predict(removed)
    return removed, guess.perplexity, "extrapolated" if guess.extrapolated else "predicted"


def show_readings(
    shared: Jobs, run: StoredRun, result: RunResult, removed: tuple[int, ...], predict: Predictor | None
) -> None:
    """The number; what is not in the results file is measured while one looks on, beside what is predicted."""
    here = known(shared.database, run, removed)
    guess = predict.predict(removed) if predict is not None and removed else None
    if here is None:
        expected = None if guess is None else (guess, reads.basis(shared.database, run))
        measure(shared, run.resolved, result, removed, expected)
    else:
        show_known(result, here)
        if predict is not None and removed:
            st.caption(was_predicted(predict, removed))
    _show_compensated(shared, run, result, removed)
    show_size(shared, run.resolved, result, removed)


def _show_compensated(shared: Jobs, run: StoredRun, result: RunResult, removed: tuple[int, ...]) -> None:
    """What is left of it after compensation, where that was measured: its ratio, times the whole model's perplexity."""
    found = reads.selection(shared.database, run.run)
    if found is None:
        return
    for judged in reads.compensated(shared.database, run.run, found):
        if (plan := judged.of(removed)) is not None:
            value = result.dense_perplexity * plan.perplexity / found.dense_perplexity
            windows = judged.protocol.sequences
            st.caption(f"After {plain(judged.how)}: {perplexity(value)}, by the ratio on {windows:d} windows.")


def show_export(result: RunResult, removed: tuple[int, ...]) -> None:
    """The way to the smaller model: a link, which can be opened in another tab, too."""
    players = result.model.players
    left = len(players) - len(removed)
    # Not a button that switches pages: what a browser asks in the old page's name meanwhile would clear the new one.
    with st.container(key="to-export"):
        st.page_link(
            navigation.export(),
            label=f"Export these {left:d} layers",
            icon=":material/save:",
            disabled=not removed,
            query_params={"run": result.run, "remove": named(players, removed, ",")},
        )
