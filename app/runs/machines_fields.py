"""The fields of the form for what measures, if it is not the one process that computes."""

from importlib.util import find_spec

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.dashboard import login
from core.cluster.machines import Machines


def choose_machines(left: DeltaGenerator, right: DeltaGenerator) -> None:
    """Draws them in two columns."""
    missing = find_spec("ray") is None
    right.number_input(
        "Workers",
        0,
        1024,
        key="workers",
        disabled=missing,
        help="0: one process measures. N: so many, of one thread or one GPU each, by Ray"
        + (", which is not installed: pip install -r requirements-cluster.txt" if missing else ""),
    )
    left.text_input(
        "Cluster",
        key="cluster",
        placeholder="this machine",
        disabled=missing,
        help="HOST:PORT of a cluster of Ray that this machine belongs to; its token is in RAY_AUTH_TOKEN or "
        "RAY_AUTH_TOKEN_PATH where the dashboard was started",
    )


def asked_machines() -> Machines | None:
    """What they say; None where one process measures."""
    workers, cluster = st.session_state.get("workers") or None, st.session_state.get("cluster", "").strip() or None
    return Machines(workers, cluster) if login.visitor() is None and (workers or cluster) else None
