"""Start a run, watch it, cancel it, resume it; and the runs there have been."""

import streamlit as st

from app import jobs, views
from app.figures import contribution_bars
from app.history import show_history
from app.requests import integers, located
from core.corpora import CORPORA
from core.errors import QuorumError
from core.types import SAMPLERS, RunSpec

shared = jobs.shared()
job = shared.newest()

st.title("Which layers does this model need?")
st.markdown(
    "The layers are players of a cooperative game. A run switches off many random sets of layers, measures how much "
    "worse the model then predicts text, and estimates from that what each layer contributes."
)


def live() -> None:
    """What the worker does now; a new result or the end redraws the page, whose charts otherwise keep their zoom."""
    if job is None:
        return
    if job.active:
        views.show_progress(job, shared)
        for other in shared.waiting(behind=job):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"Next: {other.spec.model} on {other.spec.corpus}, {other.spec.masks} coalitions")
                views.cancel_button(other, shared)
    if job.revision != seen:
        st.rerun(scope="app")


def show_newest() -> None:
    """The run that goes on, or how the last one ended."""
    if job is None:
        return
    if job.active and job.spec == RunSpec() and len(views.stored_runs(shared.database)) <= 1:
        st.info("This is the first start, so a run with the default settings has begun by itself. You can cancel it.")
    st.fragment(live, run_every=1.0 if job.active else None)()
    if job.status == "failed":
        st.error(f"**{job.message}**\n\n{job.hint}", icon="⚠️")
    elif job.status == "cancelled":
        st.warning("The run was cancelled. Everything measured is kept: resume it below, or start it again.")
    elif job.status == "finished" and job.result is not None:
        result = job.result
        st.success(
            f"Run {result.run} is finished: {result.measured} coalitions measured, {result.cached} taken from the "
            f"cache, {result.seconds:.0f} s. Dense perplexity {result.dense_perplexity:.2f} on {result.protocol}."
        )
    if job.result is not None:
        st.subheader("Contributions" + (" so far" if job.active else ""))
        st.caption(
            f"From {job.result.surrogate.masks} of {job.result.masks} coalitions; they sharpen as the run goes on. "
            "A tall bar is a layer that the model needs; a bar near zero is one that it can lose."
        )
        views.show_chart(contribution_bars(job.result), key="newest-bars")


def show_form() -> None:
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


def submit(spec: RunSpec) -> None:
    shared.submit(located(spec))
    st.rerun()


seen = job.revision if job is not None else 0
show_newest()
try:
    show_form()
except QuorumError as error:
    views.show_error(error)
show_history(shared, submit)
