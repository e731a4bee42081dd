"""Four bits after the cut: asked for with an exported folder, watched, and what they cost on text that nothing saw."""

from dataclasses import replace
from pathlib import Path

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
from core.quantise.libraries import LIBRARIES
from core.quantise.quantised import GRID, read_quantised
from core.records.events import Exported
from core.text.self_written.prompt_file import is_self_written
from core.tools.side_folder import check_package

_LONGEST = 118  # letters of a folder's name and a library's


def show_bits(shared: Jobs, made_by: Job, done: Exported) -> None:
    """A library and a button; then both sizes and perplexities. `made_by` has written the folder of `done`."""
    st.markdown("**Four bits**")
    name = st.selectbox(
        "Library",
        LIBRARIES,
        index=list(LIBRARIES).index("auto-round"),
        format_func=lambda one: f"{one}: {LIBRARIES[one].method}",
        help="Writes the folder's weights in four bits, in a process of its own; another one loads and measures them",
    )
    out = _target(Path(done.path), name)
    jobs = [one for one in shared.tasks() if one.what == "quantise" and one.details["out"] == str(out)]
    job = jobs[-1] if jobs else None
    missing = _missing(name, made_by.spec.corpus)
    if missing:
        st.caption(plain(missing))
    going = job is not None and job.active
    if st.button("Write in four bits", icon=":material/compress:", disabled=bool(missing) or going or out.exists()):
        spec = replace(made_by.spec, model=done.path, players="block", protect=())
        try:
            shared.task("quantise", spec, login.visitor(), run=made_by.of, library=name, out=str(out))
        except QuorumError as error:
            parts.show_error(error)
            return
        st.rerun()
    if out.exists():
        _show_cost(out)
    elif job is not None and (job.active or job.status == "failed"):
        watch(job, shared, "Four bits")
    elif job is not None:
        st.info("Nothing is at the folder: the writing of four bits was cancelled, or it is not there any more.")


def _target(exported: Path, library: str) -> Path:
    """Beside the exported folder, by a name that the dashboard would take itself."""
    return exported.with_name(f"{exported.name[: _LONGEST - len(library)]}-{library}")


def _missing(library: str, corpus: str) -> str:
    """Why it cannot be asked for; commands name folders of this machine, so that those who log in do not see them."""
    if is_self_written(corpus):
        return "Four bits are measured on a text that is there before the model: a run on another text has one."
    try:
        check_package(library, library, LIBRARIES[library].version)
    except ToolError as error:
        return error.message if login.visitor() is not None else f"{error.message} {error.hint}"
    return ""


def _show_cost(folder: Path) -> None:
    told = read_quantised(folder)
    if told is None:
        st.info(f"{plain(str(folder))} exists already, and is no folder of four bits: rename it or remove it.")
        return
    rows = (
        ("as exported", told.bytes_before, told.before),
        (f"{told.bits} bits, groups of {told.group}", told.bytes_after, told.after),
    )
    table = [{"weights": name, "size": amount(size), "perplexity": perplexity(value)} for name, size, value in rows]
    st.success(f"**{plain(str(folder))}**: loaded again in a process of its own, and measured.")
    st.table(pd.DataFrame(table).set_index("weights"))
    measured = f"Perplexity measured on {told.protocol}, {told.dtype}; by {told.library} {told.version}."
    st.caption(plain(f"{measured} {GRID}" if told.grid else measured))
