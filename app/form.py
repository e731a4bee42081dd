"""The request for a run: a form whose defaults one click starts."""

from collections.abc import Callable

import streamlit as st

from app.requests import integers
from core.corpora import CORPORA
from core.types import SAMPLERS, RunSpec


def show_form(submit: Callable[[RunSpec], None]) -> None:
    """The request for a run, with defaults that one click starts."""
    default = RunSpec()
    with st.form("start", border=True):
        left, middle, right = st.columns(3)
        model = left.text_input(
            "Model", default.model, help="bundled, a Hugging Face Hub id, a local folder, or a .gguf file"
        )
        corpus = middle.selectbox(
            "Calibration text",
            CORPORA,
            accept_new_options=True,
            help="A named corpus, or type the path of a .txt, .jsonl or .parquet file",
        )
        masks = right.number_input(
            "Coalitions",
            10,
            100_000,
            default.masks,
            help="Random sets of layers to measure; more give narrower intervals",
        )
        with st.expander("More settings"):
            first, second, third = st.columns(3)
            sequences = first.number_input("Sequences", 1, 10_000, default.sequences)
            window = second.number_input("Tokens in a sequence", 2, 8192, default.window)
            seed = third.number_input("Seed", 0, 2**31 - 1, default.seed)
            strata = first.text_input(
                "Strata",
                "",
                placeholder="automatic",
                help="Sizes of the coalitions: numbers of layers kept, as 28,25,22",
            )
            sampler = first.selectbox(
                "Sampler",
                SAMPLERS,
                help="stratified is the paper's; adaptive measures where most is to be learnt; shapley draws sets "
                "of all sizes; exhaustive measures all coalitions of a model of few layers",
            )
            dtype = second.selectbox("Precision", ("auto", "float32", "bfloat16", "float16"))
            device = third.text_input("Device", default.device, help="auto, cpu, cuda, cuda:1 or mps")
        if st.form_submit_button("Start run", type="primary", icon=":material/play_arrow:"):
            submit(
                RunSpec(
                    model=model.strip(),
                    corpus=corpus or default.corpus,
                    sequences=int(sequences),
                    window=int(window),
                    sampler=sampler,
                    masks=int(masks),
                    strata=integers(strata),
                    seed=int(seed),
                    dtype=dtype,
                    device=device.strip(),
                )
            )
