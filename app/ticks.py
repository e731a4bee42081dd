"""What a page asks for by itself gives way to a click that leads to another page.

Streamlit folds a request that waits and the next one into one, for the page that the later one names. A tick of a
fragment (`run_every`), or a page that draws itself anew (`st.rerun`), while a click on the navigation waits, still
names the page that is being left, so that the click would be lost. Of a page that is left, neither is needed.
"""

from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType


def give_way() -> None:
    """From here on, neither takes the place of a request for another page that waits already."""
    fold = ScriptRequests._request_rerun_locked

    def request(self: ScriptRequests, new: RerunData) -> bool:
        by_itself = new.is_auto_rerun or new.widget_states is None  # a browser says what its widgets hold
        waits = self._rerun_data if self._state is ScriptRequestType.RERUN else None
        if by_itself and waits is not None and _is_for_another(waits, new):
            return True
        return fold(self, new)

    ScriptRequests._request_rerun_locked = request  # type: ignore[assignment, method-assign]


def _is_for_another(waits: RerunData, new: RerunData) -> bool:
    """Whether a browser has asked for a whole page, and for another one than `new` is of."""
    whole = waits.widget_states is not None and not (waits.fragment_id or waits.fragment_id_queue)
    return whole and waits.page_script_hash != new.page_script_hash
