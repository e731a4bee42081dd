"""The request for a run, with what it will take: defaults that one click starts."""

from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.dashboard import login, parts
from app.dashboard.session import widgets
from app.foreign import plain
from app.foresight import SIZES, foresee, sentences, sized
from app.requests import integers, located
from app.runs.looking import show_looks
from app.runs.machines_fields import asked_machines, choose_machines
from app.runs.on_this_machine import choose_model
from app.runs.task_fields import asked_task, choose_task, cost
from app.runs.texts import choose_text, show_refused_upload, show_upload
from app.worker.client import Jobs
from cache.database import Database
from core.cluster.machines import check
from core.errors import ModelError, QuorumError
from core.records.looks import DeviceSeen
from core.records.presets import PRESETS, under_preset
from core.records.spec import SAMPLERS, RunSpec

_PLAYERS = {"block": "layers", "sublayer": "attention and MLP of each layer", "group": "groups of layers"}

# What a request will take that decides whether one starts it; the rest is a click away.
_FIRST = ("To measure", "Time", "Then")


@st.fragment
def show_form(jobs: Jobs, submit: Callable[..., None], another: bool) -> None:
    """The request for a run, or for `another` one. A fragment: what it will take follows every change, charts stay."""
    with st.container(border=True):
        st.header("Another run" if another else "New run")
        spec, usable, device, more = None, None, None, {}
        above, sizes = st.container(), st.container(horizontal=True)
        try:
            with above:
                model = choose_model()
                below_model = st.container()
            text, upload, right = st.columns((5, 3, 3), vertical_alignment="bottom")
            corpus = choose_text(text)
            show_upload(upload)
            show_refused_upload()
            below_text = st.container()
            spec = located(_asked(model, corpus, right))
            login.check_model(spec)
            more = _more()
            usable, device = show_looks(jobs, spec, below_model, below_text)
        except QuorumError as error:
            parts.show_error(error)
        with sizes:
            _show_sizes(jobs.database, spec, device)
        foreseen = spec is not None and usable is not False and _show_forecast(jobs.database, spec, device, more)
        with st.container(horizontal=True, vertical_alignment="center"):
            label = "Start another run" if another else "Start run"
            started = st.button(
                label,
                type="secondary" if another else "primary",
                icon=":material/play_arrow:",
                disabled=not (foreseen and usable),
            )
            search = st.toggle(
                "Search for the best plans",
                value=True,
                help="Once the coalitions are measured, a search looks for the best layers to remove at every count. "
                "It takes about a third of the run's time, and is what the page Preview opens with",
            )
        if started and spec is not None:
            try:
                submit(spec, search=search, **more)
            except QuorumError as error:
                parts.show_error(error)


def _show_sizes(database: Database, spec: RunSpec | None, device: DeviceSeen | None) -> None:
    """Three sizes to choose from, each with the time that the request is thought to take, where that is known.

    Buttons, which are heard once: a choice that lasts would be told again by a browser that has not heard of a newer
    one, and would undo what somebody types meanwhile.
    """
    revision = database.revision()
    for size in SIZES:
        resized = sized(spec, size) if spec is not None else None
        seconds = _seconds(database, revision, resized, device) if resized is not None else None
        st.button(
            size.capitalize() if seconds is None else f"{size.capitalize()} {_minutes(seconds)}",
            key=f"size {size}",
            type="secondary" if resized is not None and resized == spec else "tertiary",
            on_click=_resize,
            args=(size,),
        )


def _resize(size: str) -> None:
    """Writes a size into the fields of the form."""
    masks, sequences = SIZES[size]
    widgets.set_value("masks", masks)
    widgets.set_value(_sequences_field(""), sequences)


def _sequences_field(preset: str) -> str:
    """The key of the field of sequences under a protocol, "" for none."""
    return f"sequences {preset}"


@lru_cache(maxsize=64)
def _seconds(database: Database, _revision: tuple[int, int], spec: RunSpec, device: DeviceSeen | None) -> float | None:
    """Until its contributions are final, as everywhere in a forecast; None where that is not known."""
    try:
        return foresee(database, parts.stored_runs(database), spec, device).seconds
    except QuorumError:
        return None


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return "<1 min" if minutes < 1 else f"~{minutes:,} min" if minutes < 120 else f"~{minutes / 60:.0f} h"


def _show_forecast(database: Database, spec: RunSpec, device: DeviceSeen | None, more: dict[str, Any]) -> bool:
    """Coalitions, time and memory of a request, or what is wrong with it; returns whether nothing is."""
    try:
        found = foresee(database, parts.stored_runs(database), spec, device)
        said = sentences(found)
    except ModelError:
        return False  # said below the model
    except QuorumError as error:
        parts.show_error(error)
        return False
    if "then" in more:
        said["Then"] = cost(more["then"], spec, found)
    lines = {name: f"**{name}:** {plain(sentence)}" for name, sentence in said.items()}
    st.caption("  \n".join(line for name, line in lines.items() if name in _FIRST))
    rest = [name for name in lines if name not in _FIRST]
    if rest:
        with st.popover(plain(", ".join(rest))):
            st.markdown("\n\n".join(lines[name] for name in rest))
    return True


def _more() -> dict[str, Any]:
    """What else is asked of a run: other machines, and a task for its coalitions; nothing where the form has neither.

    Raises:
        QuorumError: there are no such machines, or no such folder of items.
    """
    machines, then = asked_machines(), asked_task()
    check(machines)
    others = {"machines": asdict(machines) if machines is not None else None, "then": then}
    return {name: one for name, one in others.items() if one}


def _asked(model: str, corpus: str, beside: DeltaGenerator) -> RunSpec:
    """What the widgets say.

    Raises:
        SelectionError: strata or layers that are no numbers.
    """
    default = RunSpec()
    masks = beside.number_input(
        "Coalitions",
        10,
        100_000,
        default.masks,
        key="masks",
        help="Random sets of layers to measure; more give narrower intervals",
    )
    with st.expander("More settings"):
        first, second = st.columns(2)
        preset = first.selectbox(
            "Protocol",
            ("", *PRESETS),
            format_func=lambda name: name or "none",
            help="Sequences, their length and their BOS as the literature has them: paper is this method's own, "
            "2048 and 4096 those of GPTQ, SparseGPT and Wanda",
        )
        settled = under_preset(RunSpec(preset=preset))
        # Under another key, so that a protocol shows its own numbers.
        sequences = first.number_input("Sequences", 1, 10_000, settled.sequences, key=_sequences_field(preset))
        window = second.number_input(
            "Tokens in a sequence", 2, 8192, settled.window, key=f"window {preset}", disabled=bool(preset)
        )
        field = second.text_input(
            "Field",
            "",
            placeholder="text",
            help="What holds the text in each row of a data set: text, a list of texts, or the messages of chats",
        )
        seed = second.number_input("Seed", 0, 2**31 - 1, default.seed)
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
        device = second.text_input("Device", default.device, help="auto, cpu, cuda, cuda:1, mps or offload")
        players = second.selectbox(
            "Players",
            list(_PLAYERS),
            format_func=_PLAYERS.__getitem__,
            help="What is switched off as one: a layer, its attention (3a) or its MLP (3m), or neighbours together",
        )
        together = second.number_input(
            "Layers in a group",
            2,
            1000,
            4,
            disabled=players != "group",
            help="For very deep models: so many neighbouring layers stay or go together",
        )
        protect = first.text_input(
            "Layers that stay",
            "",
            placeholder="none",
            help="These are never switched off and do not play, as 0,1,29",
        )
        if login.visitor() is None:  # what else this machine does is its owner's to say
            choose_machines(first, second)
        choose_task(*st.columns(2))
    return RunSpec(
        model=model,
        corpus=corpus,
        sequences=int(sequences),
        window=int(window),
        sampler=sampler,
        masks=int(masks),
        strata=integers(strata),
        seed=int(seed),
        dtype=dtype,
        device=device.strip(),
        players=f"group:{together}" if players == "group" else players,
        protect=integers(protect) or (),
        field=field.strip(),
        preset=preset,
    )
