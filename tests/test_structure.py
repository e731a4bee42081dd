"""The house's rules: imports go one way, and the dashboard's process stays free of torch."""

import ast
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
    modules = "app.history, app.forecasting, app.views, app.jobs, core.corpora, core.estimates, core.prediction"
    code = f"import sys; import {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
