"""The house's rules: imports go one way, and the dashboard's process stays free of torch."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = ["core", "cache", "app", "pages"]


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", ORDER)
def test_imports_go_one_way(package: str) -> None:
    later = set(ORDER[ORDER.index(package) + 1 :])
    forbidden = later | {"core": {"streamlit", "duckdb"}, "cache": {"streamlit", "torch"}}.get(package, set())
    for file in (ROOT / package).rglob("*.py"):
        assert not imported(file) & forbidden, file


def test_dashboard_process_has_no_torch() -> None:
    """Every module of app but the worker, and so all that pages import, without torch behind it."""
    others = {"__init__", "__main__", "main", "server", "worker"}
    modules = ", ".join(f"app.{file.stem}" for file in (ROOT / "app").glob("*.py") if file.stem not in others)
    code = f"import sys; import {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("page", sorted((ROOT / "pages").glob("*.py")), ids=lambda page: page.stem)
def test_pages_import_what_there_is(page: Path) -> None:
    for node in ast.walk(ast.parse(page.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")
