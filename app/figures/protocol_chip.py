"""The protocol of a page's figures, once: a chip with the text and its size, which opens to all of it."""

import streamlit as st

from app.digits import perplexity
from app.foreign import plain
from app.words import called
from core.records.results import RunResult


def protocol_chip(result: RunResult) -> None:
    """A small popover: on which text, by which protocol, of which model the figures of this page were measured.

    It stands once on a page, near its title; charts, captions and hovers say no more than whether a figure is measured,
    predicted, estimated or extrapolated.
    """
    protocol, model = result.protocol, result.model
    text = f"{plain(called(protocol.corpus))} · {protocol.sequences} × {protocol.window} tokens"
    with st.popover(text, help="How the figures of this page were measured"):
        st.markdown(f"**Protocol.** {plain(protocol)}")
        st.markdown(
            f"**Model.** {plain(called(model.source))} ({plain(model.architecture)}, "
            f"{model.parameters / 1e6:,.0f} M parameters, {plain(model.dtype)} on {plain(model.device)}), "
            f"weights {plain(model.fingerprint)}"
        )
        st.markdown(
            f"**Measured.** Dense perplexity {perplexity(result.dense_perplexity)} (measured); "
            f"{result.surrogate.masks} of {result.masks} coalitions measured"
        )
