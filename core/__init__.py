"""The method itself: model -> players -> text -> masks -> evaluation -> surrogate -> attribution -> export.

Nothing in this package knows of Streamlit, of DuckDB or of any process but its own.
"""

__version__ = "0.1.0"
