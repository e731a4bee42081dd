"""The dashboard's pages by Streamlit's own test driver: opened, read, and used."""

from functools import cache

from streamlit.components.v2 import manifest_scanner
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox, _format_value_for_widget
from streamlit.util import calc_hash

from app.root import ROOT
from tests.support.jobs import wait


def _as_a_browser_sends_it(box: Selectbox[object]) -> WidgetState:
    """What a select box says, also where it was typed: AppTest looks for that among the options."""
    if (chosen := box.value) is None:
        return WidgetState(id=box.id)
    return WidgetState(id=box.id, string_value=_format_value_for_widget(box.format_func, chosen))


Selectbox._widget_state = property(_as_a_browser_sends_it)  # type: ignore[assignment]
# Every AppTest looks through all that is installed for components, a server once: it takes a quarter of a second.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def open_page(page: str = "", **address: str) -> AppTest:
    """A page as its address opens it, and no other one before it."""
    app = AppTest.from_file(str(ROOT / "app" / "dashboard" / "main.py"), default_timeout=60)
    for key, value in address.items():
        app.query_params[key] = value
    app._page_hash = calc_hash(page) if page not in ("", "runs") else ""  # as of `st.Page`, by the path of its address
    app.run()
    assert not app.exception, app.exception
    return app


def looked_at(app: AppTest) -> AppTest:
    """The page Runs once the model and the text of its form have been looked at."""
    wait(lambda: "Being looked at" not in said(app.run()))
    assert not app.exception, app.exception
    return app


def said(app: AppTest) -> str:
    parts = (app.markdown, app.info, app.error, app.warning, app.success, app.caption, app.title, app.header)
    return "\n".join(element.value for elements in parts for element in elements)


def links(app: AppTest) -> list[tuple[str, str]]:
    """The links to pages in the page itself, as (what they are called, the query of their address)."""
    return [(element.proto.label, element.proto.query_string) for element in app.main.get("page_link")]


def labelled(elements: object, label: str) -> object:
    return next(element for element in elements if element.label == label)


def button(app: AppTest, label: str) -> object:
    return labelled(app.button, label)


def box(app: object, label: str) -> object:
    return labelled(app.selectbox, label)


def agreed_export(run: str, remove: str) -> AppTest:
    """The page Export with a removal that is measured, and agreed to however much worse it is."""
    page = open_page("export", run=run, remove=remove)
    if "job-preview" in page.session_state:
        measured = page.session_state["job-preview"]
        wait(lambda: not measured.active)
        page.run()
    for box in page.checkbox:
        if not box.disabled and "GGUF" not in box.label:
            box.check().run()
    return page
