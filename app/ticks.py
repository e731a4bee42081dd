"""Ticks of fragments give way to whatever somebody has asked for.

Streamlit folds a request that waits and the next one into one, for the page that the later one names. A tick
(`run_every`) that comes while a click on the navigation waits still names the page that is being left, so that the
click would be lost. Where the whole page is to be drawn anyway, its fragments are too, and the tick is not needed.
"""

from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType


def give_way() -> None:
    """From here on, a tick changes no request to draw a whole page that waits already."""
    fold = ScriptRequests._request_rerun_locked

    def request(self: ScriptRequests, new: RerunData) -> bool:
        waits = self._rerun_data if self._state is ScriptRequestType.RERUN else None
        if new.is_auto_rerun and waits is not None and not (waits.fragment_id or waits.fragment_id_queue):
            return True
        return fold(self, new)

    ScriptRequests._request_rerun_locked = request  # type: ignore[assignment, method-assign]
