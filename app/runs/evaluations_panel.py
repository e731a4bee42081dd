"""What was measured as a file: a download for one run's game, and an upload that adds to this results file."""

import streamlit as st

from app.dashboard import login, parts
from app.foreign import code
from cache.database import Database
from cache.exchange.imports import Import, imports, take_out
from cache.exchange.parquet import export_evaluations, import_evaluations
from cache.queries import StoredRun
from core.errors import QuorumError


def download_evaluations(database: Database, run: StoredRun) -> None:
    """A button that makes the file when it is pressed."""
    st.download_button(
        "Download evaluations",
        lambda: export_evaluations(database, run),
        f"evaluations-{run.run}.parquet",
        "application/vnd.apache.parquet",
        icon=":material/download:",
        disabled=run.result is None,
        help="Parquet: every coalition that was measured of this model on this text, and how",
    )


def show_imports(database: Database) -> None:
    """The files that were taken in, each with a way to take it out again."""
    taken = imports(database)
    if not taken:
        return
    with st.expander("Evaluations that were taken in"):
        for one in taken:
            _show_import(database, one)


def _show_import(database: Database, one: Import) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"{one.evaluations:,} evaluations imported from {code(one.name)} on {one.taken:%Y-%m-%d} "
            f"(SHA-256 {code(one.sha256[:12])}, game {code(one.game)})"
        )
        if st.button(
            "Take out",
            key=f"take-out-{one.sha256}",
            icon=":material/delete:",
            disabled=not login.may_end(None),
            help="What was measured here stays. Where people log in, the command line does it",
        ):
            take_out(database, one.sha256)
            st.rerun()


def show_upload(database: Database) -> None:
    """Takes in what another results file has measured, and says what it was."""
    with st.expander("Take in evaluations from another machine"), st.form("import", clear_on_submit=True, border=False):
        file = st.file_uploader(
            "Evaluations (Parquet)",
            "parquet",
            help="Written by Download evaluations. A file of more than 10 MB goes by the command line",
        )
        st.caption(
            "A run of the same model, text and precision then finds them and does not measure them again. Files of "
            "more than 10 MB: `python -m app evaluations import FILE`."
        )
        if not st.form_submit_button("Take in", icon=":material/upload:"):
            return
        if file is None:
            st.warning("Choose a file first.")
            return
        try:
            found = import_evaluations(database, file.getvalue(), file.name)
        except QuorumError as error:
            parts.show_error(error)
            return
        st.success(
            f"{found.evaluations:,} evaluations of {code(found.model.source)} in {code(found.model.dtype)} are here "
            f"now, {found.fresh:,} of them new: measured on {code(found.protocol)}."
        )
