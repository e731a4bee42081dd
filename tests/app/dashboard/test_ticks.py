"""A tick that comes while somebody's request waits takes nothing from it."""

from collections.abc import Iterator

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

from app import ticks

CLICK = RerunData(page_script_hash="next", query_string="run=abc", widget_states=WidgetStates())
TICK = RerunData(page_script_hash="left", fragment_id="badge", is_auto_rerun=True, widget_states=WidgetStates())
ANEW = RerunData(page_script_hash="left", query_string="")  # st.rerun


@pytest.fixture(autouse=True)
def patched() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as kept:
        kept.setattr(ScriptRequests, "_request_rerun_locked", ScriptRequests._request_rerun_locked)
        ticks.give_way()
        yield


def folded(*asked: RerunData) -> RerunData:
    """What is run of requests that have come while the script was running."""
    requests = ScriptRequests()
    for one in asked:
        assert requests.request_rerun(one)
    found = requests.on_scriptrunner_ready()
    assert found.type is ScriptRequestType.RERUN
    return found.rerun_data


@pytest.mark.parametrize(
    "asked", [(CLICK, TICK), (TICK, CLICK), (CLICK, ANEW), (ANEW, CLICK), (TICK, CLICK, ANEW, TICK)]
)
def test_a_click_on_the_navigation_is_not_lost(asked: tuple[RerunData, ...]) -> None:
    found = folded(*asked)
    assert (found.page_script_hash, found.query_string) == ("next", "run=abc")
    assert not found.fragment_id_queue, "the whole page is drawn"


def test_a_click_after_a_click_wins_and_ticks_alone_are_all_run() -> None:
    other = RerunData(page_script_hash="other", widget_states=WidgetStates())
    assert folded(CLICK, TICK, other).page_script_hash == "other"
    second = RerunData(page_script_hash="left", fragment_id="answer", is_auto_rerun=True)
    assert folded(TICK, second).fragment_id_queue == ["badge", "answer"]


def test_a_widget_within_a_fragment_still_joins_what_waits() -> None:
    """No tick: somebody has moved it."""
    moved = RerunData(page_script_hash="next", fragment_id="answer", widget_states=WidgetStates())
    assert folded(moved, TICK).fragment_id_queue == ["answer", "badge"]
    assert folded(CLICK, moved).page_script_hash == "next"


def test_on_one_page_the_newer_address_counts() -> None:
    """A page that draws itself anew may have changed what it shows."""
    moved = RerunData(page_script_hash="left", query_string="remove=1", widget_states=WidgetStates())
    anew = RerunData(page_script_hash="left", query_string="remove=1,2")
    found = folded(moved, anew)
    assert found.query_string == "remove=1,2" and found.widget_states is not None and not found.fragment_id_queue
