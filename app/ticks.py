"""What a page asks for by itself gives way to whatever somebody has asked for.

Streamlit folds a request that waits and the next one into one, for the page that the later one names. A tick of a
fragment (`run_every`), or a page that draws itself anew (`st.rerun`), while a click on the navigation waits, still
names the page that is being left, so that the click would be lost. Where the whole page is to be drawn anyway, its
fragments are too, and neither is needed.
"""

from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType


def give_way() -> None:
    """From here on, neither changes a browser's request to draw a whole page that waits already."""
    fold = ScriptRequests._request_rerun_locked

    def request(self: ScriptRequests, new: RerunData) -> bool:
        by_itself = new.is_auto_rerun or new.widget_states is None  # a browser says what its widgets hold
        if by_itself and self._state is ScriptRequestType.RERUN and _whole(self._rerun_data):
            return True
        return fold(self, new)

    ScriptRequests._request_rerun_locked = request  # type: ignore[assignment, method-assign]


def _whole(waits: RerunData) -> bool:
    """Whether a browser has asked for a whole page."""
    return waits.widget_states is not None and not (waits.fragment_id or waits.fragment_id_queue)
