"""What the removal on show costs: its perplexity, measured and predicted, its size, and its place on the curve."""

import numpy as np
import streamlit as st

from app.dashboard import parts, reads
from app.dashboard.measured import known, measure, show_known, show_prediction, was_predicted
from app.foreign import plain
from app.preview.controls import Sets
from app.preview.curve import Place, curve
from app.preview.speed_panel import show_size
from app.worker.client import Jobs
from cache.queries import StoredRun
from core.attribution.prediction import Predictor
from core.records.fits import Prediction
from core.records.plans import Selection
from core.records.results import RunResult
from core.selection.removal_paths import knee


def perplexities(
    result: RunResult, found: Selection | None, sets: Sets, expected: dict[int, Prediction]
) -> dict[int, float]:
    """Of sets, by number of removed layers: as the search measured them, on the run's text, or else as predicted."""
    plans = found.plans if found is not None else ()
    return {count: item.perplexity for count, item in expected.items()} | {
        plan.count: plan.ratio * result.dense_perplexity for plan in plans if sets.get(plan.count) == plan.removed
    }


def show_readings(
    shared: Jobs, run: StoredRun, result: RunResult, removed: tuple[int, ...], predict: Predictor | None
) -> Place | None:
    """Perplexity and size side by side; what is not in the results file is measured while one looks on.

    Returns the place on the curve, measured if it can be; None while nothing is known.
    """
    here = known(shared.database, run, removed)
    guess = predict.predict(removed) if predict is not None and removed else None
    columns = st.columns(3)
    with columns[0]:
        if here is not None:
            show_known(result, here)
        else:
            measure(shared, run.resolved, result, removed)
    with columns[1]:
        if predict is None:
            st.caption("Predictions appear when the run is finished.")
        elif guess is not None and here is None:
            show_prediction(result, guess, reads.basis(shared.database, run))
        elif guess is not None:
            st.caption(was_predicted(predict, removed))
    with columns[2]:
        show_size(shared, run.resolved, result, removed)
    st.caption(
        f"On the text of the run, {plain(result.protocol)}. The layers were chosen on it, so that these figures "
        "are a little "
        "too good; the comparison below and the export measure on text that nobody has seen."
    )
    if here is not None:
        return len(removed), here[0], "measured"
    if guess is not None:
        return len(removed), guess.perplexity, "extrapolated" if guess.extrapolated else "predicted"
    return None


def show_curve(result: RunResult, found: Selection | None, expected: dict[int, Prediction], place: Place) -> None:
    """Perplexity against the number of removed layers, and where the removal on show stands."""
    losses = [0.0, *(float(np.log(plan.ratio)) for plan in (found.plans if found is not None else ()))]
    parts.show_chart(curve(result, found, expected, knee(losses), place), key="curve")
