"""What a removal costs, in one figure: measured if it was, and otherwise predicted."""

import streamlit as st

from app.foreign import plain
from core.attribution.prediction import Predictor
from core.records.results import RunResult
from core.surrogate.surrogate import Surrogate


def show_cost(name: str, removed: tuple[int, ...], fitted: Surrogate, result: RunResult) -> None:
    """The perplexity without some layers; nothing while there are neither measurement nor predictive intervals.

    Args:
        name: what stands above the figure.
        removed: the layers.
        fitted: a surrogate of the log score, which knows what was measured.
        result: of the run.
    """
    whole = f"Whole model: {result.dense_perplexity:.2f} (measured). {result.protocol}"
    measured = fitted.measured.perplexity(removed)
    if measured is not None:
        change = f"{measured / result.dense_perplexity - 1:+.1%} against the whole model's"
        st.metric(f"{plain(name)} (measured)", f"{measured:.2f}", change, delta_color="inverse", help=plain(whole))
    elif result.bands:
        expected = Predictor(fitted, result.bands).predict(removed)
        st.metric(
            f"{plain(name)} (predicted{', extrapolated' if expected.extrapolated else ''})",
            f"{expected.perplexity:.2f}",
            f"90 % interval {expected.low:.2f} to {expected.high:.2f}",
            delta_color="off",
            delta_arrow="off",
            help=plain(whole),
        )
