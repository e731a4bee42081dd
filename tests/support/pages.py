"""The dashboard's pages by Streamlit's own test driver: opened, read, and used."""

from streamlit.testing.v1 import AppTest

from app.root import ROOT


def open_page(page: str = "", **address: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app" / "dashboard" / "main.py"), default_timeout=60)
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    if page:
        app.switch_page(f"../../pages/{page}.py").run()
    assert not app.exception, app.exception
    return app


def said(app: AppTest) -> str:
    parts = (app.markdown, app.info, app.error, app.warning, app.success, app.caption, app.title, app.header)
    return "\n".join(element.value for elements in parts for element in elements)


def links(app: AppTest) -> list[tuple[str, str]]:
    """The links to pages in the page itself, as (what they are called, the query of their address)."""
    return [(element.proto.label, element.proto.query_string) for element in app.main.get("page_link")]


def button(app: AppTest, label: str) -> object:
    return next(element for element in app.button if element.label == label)


def box(app: object, label: str) -> object:
    return next(element for element in app.selectbox if element.label == label)
