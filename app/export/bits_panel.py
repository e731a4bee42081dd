"""Four bits after the cut: asked for with an exported folder, watched, and what they cost on text that nothing saw."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app.dashboard import login, parts
from app.dashboard.progress import watch
from app.digits import perplexity
from app.foreign import plain
from app.worker.client import Jobs
from app.worker.job import Job
from core.checkpoint.memory import amount
from core.errors import QuorumError, ToolError
from core.export.target import named_target
from core.quantise.libraries import LIBRARIES
from core.records.events import Exported
from core.tools.side_folder import check_package


def show_bits(shared: Jobs, made_by: Job, done: Exported) -> None:
    """A library and a button; then both sizes and perplexities. `made_by` has written the folder of `done`."""
    job = next((one for one in reversed(shared.tasks()) if one.what == "quantise" and _source(one) == done.path), None)
    st.markdown("**Four bits**")
    name = st.selectbox(
        "Library",
        LIBRARIES,
        index=list(LIBRARIES).index("auto-round"),
        format_func=lambda one: f"{one}: {LIBRARIES[one].method}",
        help="Writes the folder's weights in four bits, in a process of its own; another one loads and measures them",
    )
    missing, going = _missing(name), job is not None and job.active
    if missing:
        st.caption(plain(missing))
    if st.button("Write in four bits", icon=":material/compress:", disabled=bool(missing) or going):
        spec = replace(made_by.spec, model=done.path, players="block", protect=())
        try:
            out = str(named_target(f"{Path(done.path).name}-{name}"))
            shared.task("quantise", spec, login.visitor(), run=made_by.of, library=name, source=done.path, out=out)
        except QuorumError as error:
            parts.show_error(error)
            return
        st.rerun()
    if job is None:
        return
    if job.status == "finished":
        _show_cost(Path(job.details["out"]))
    elif job.active or job.status == "failed":
        watch(job, shared, "Four bits")
    else:
        st.info("The writing of four bits was cancelled; nothing was left at the folder.")


def _source(job: Job) -> str:
    return str(job.details.get("source"))


def _missing(library: str) -> str:
    """What is not installed; the command names folders of this machine, so that those who log in do not see it."""
    try:
        check_package(library, library, LIBRARIES[library].version)
    except ToolError as error:
        return error.message if login.visitor() is not None else f"{error.message} {error.hint}"
    return ""


def _show_cost(folder: Path) -> None:
    try:
        told: dict[str, Any] = json.loads((folder / "quantised.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        st.info("The folder of four bits is not there any more.")
        return
    rows = [("as exported", "before"), (f"{told['bits']} bits, groups of {told['group']}", "after")]
    table = [
        {"weights": name, "size": amount(told[f"bytes_{when}"]), "perplexity": perplexity(told[when])}
        for name, when in rows
    ]
    st.success(f"**{plain(str(folder))}**: loaded again in a process of its own, and measured.")
    st.table(pd.DataFrame(table).set_index("weights"))
    protocol = told["protocol"]
    windows = f"{protocol['sequences']} x {protocol['window']} tokens of {protocol['corpus']} ({protocol['split']})"
    st.caption(plain(f"Perplexity measured on {windows}, {told['dtype']}; by {told['library']} {told['version']}."))
