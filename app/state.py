"""What a browser session remembers, and what its address says: nothing else touches session_state or query_params."""

import uuid

import streamlit as st

from app.jobs import Job


def client() -> str:
    """This session's name: its newest preview request replaces its earlier one, and nobody else's."""
    return str(st.session_state.setdefault("client", uuid.uuid4().hex))


def run_in_address() -> str | None:
    """The run that the address names (?run=ab12cd34), whether it exists or not."""
    return st.query_params.get("run")


def remember_run(run: str) -> None:
    """Puts the run into the address, so that the page can be sent to a colleague."""
    if st.query_params.get("run") != run:
        st.query_params["run"] = run
    st.session_state["run"] = run


def remembered_run() -> str | None:
    """The run that this session looked at last, on any page."""
    return st.session_state.get("run")


def other_in_address() -> str | None:
    """The run that the address compares with (?run=ab12cd34&with=ef56ab78), whether it exists or not."""
    return st.query_params.get("with")


def remember_other(run: str, other: str) -> None:
    """Puts a comparison of two runs into the address."""
    remember_run(run)
    if st.query_params.get("with") != other:
        st.query_params["with"] = other


def forget_other() -> None:
    """Drops the comparison from the address."""
    if "with" in st.query_params:
        del st.query_params["with"]


def forget_run(run: str) -> None:
    """Drops a deleted run from the address and from the session."""
    if run in (st.query_params.get("run"), st.query_params.get("with")):
        st.query_params.clear()
    if st.session_state.get("run") == run:
        del st.session_state["run"]


def remember_preview(job: Job) -> None:
    """The measurement that this session asked for last."""
    st.session_state["preview"] = job


def remembered_preview() -> Job | None:
    """The measurement that this session asked for last, if any."""
    return st.session_state.get("preview")


def remember_pair(asked: list[Job], pair: tuple[int, int]) -> None:
    """The measurements behind a pair of layers that this session asked for last."""
    st.session_state["pair"] = pair, asked


def remembered_pair(pair: tuple[int, int]) -> list[Job]:
    """These measurements, if the session's last ones were of this pair."""
    last, asked = st.session_state.get("pair", (None, []))
    return asked if last == pair else []
