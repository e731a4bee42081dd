"""What somebody says of a run, and putting it away: its name, its note, the archive, deleting and bringing it back."""

import streamlit as st

from app.dashboard import login, parts, reads
from app.dashboard.session import state, widgets
from app.foreign import code, plain
from cache import labels, queries
from cache.database import Database
from cache.labels import LONGEST_NAME, LONGEST_NOTE
from cache.queries import StoredRun
from core.errors import QuorumError

_DELETED = "deleted-last"  # of this session
_OTHERS = "Only who started a run may change what is said of it, archive or delete it"


def show_label(database: Database, run: StoredRun) -> None:
    """The buttons beside a run's others; while people log in, they are for who has started it."""
    mine = login.may_end(queries.owner(database, run.run))
    with st.popover("Name and note", icon=":material/edit:", disabled=not mine, help=None if mine else _OTHERS):
        _show_fields(database, run, mine)
    put = ("Restore", ":material/unarchive:") if run.label.archived else ("Archive", ":material/archive:")
    if st.button(put[0], icon=put[1], disabled=not mine, help=_OTHERS if not mine else None) and mine:
        (labels.restore if run.label.archived else labels.archive)(database, run.run)
        st.rerun()
    deletable = mine and run.status != "running"
    help = "It can be brought back for a week. What it measured stays: no other run measures that again"
    if st.button("Delete", icon=":material/delete:", disabled=not deletable, help=help) and deletable:
        labels.delete(database, run.run)
        state.forget_run(run.run)
        widgets.set_value(_DELETED, run.run)
        st.rerun()


def _show_fields(database: Database, run: StoredRun, mine: bool) -> None:
    # Keys of what is said so far: what another tab or a command has changed is not written over unseen.
    of = f"{run.run}-{hash(run.label)}"
    name = st.text_input("Name", run.label.name, max_chars=LONGEST_NAME, key=f"name-{of}")
    note = st.text_area("Note", run.label.note, max_chars=LONGEST_NOTE, key=f"note-{of}")
    if st.button("Save", type="primary") and mine:
        try:
            labels.rename(database, run.run, name)
            labels.annotate(database, run.run, note)
        except QuorumError as error:
            parts.show_error(error)
        else:
            st.rerun()


def show_deleted(database: Database) -> None:
    """The way to undo the last deletion of this session, and to bring back whatever can be."""
    gone = {run: label for run, label in reads.deleted(database).items() if _is_mine(database, run)}
    if not gone:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.begin(_DELETED, None)
        last = widgets.value(_DELETED)
        if last in gone:
            st.markdown(f"Run {code(last)} is deleted.", width="content")
            if st.button("Undo", icon=":material/undo:"):
                _bring_back(database, last)
        with st.popover(f"Deleted runs: {len(gone)}", icon=":material/restore_from_trash:"):
            st.caption(
                "A week after it was deleted, a run's estimates, plans and name are forgotten. What it measured stays."
            )
            named = {run: " · ".join(filter(None, (label.name, run))) for run, label in gone.items()}
            run = st.selectbox("Bring back", list(gone), format_func=named.__getitem__)
            if (until := gone[run].until) is not None:
                st.caption(plain(f"Until {until:%Y-%m-%d %H:%M} UTC. {gone[run].note}"))
            if st.button("Bring it back"):
                _bring_back(database, run)


def _bring_back(database: Database, run: str) -> None:
    labels.restore(database, run)
    state.remember_run(run)
    st.rerun()


def _is_mine(database: Database, run: str) -> bool:
    return login.may_end(queries.owner(database, run)) if login.visitor() is not None else True
