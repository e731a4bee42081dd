"""The lines of notebook that README shows run as they stand, but for the model: the bundled one takes minutes."""

import os
import re
import subprocess
import sys
from pathlib import Path

from app.root import ROOT


def shown(page: str) -> str:
    """The first block of a page that begins a notebook; nothing where there is none."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return next((block for block in blocks if "import quorum" in block), "")


def test_the_lines_of_readme_run(tmp_path: Path, tiny: Path) -> None:
    lines = shown("README.md") or shown("docs/api.md")
    assert 5 <= len(lines.splitlines()) <= 12
    assert lines.count('"bundled"') == 1
    (tmp_path / "lines.py").write_text(lines.replace('"bundled"', repr(str(tiny))))
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "app" / "notebook")))
    environment = {**os.environ, "PYTHONPATH": paths, "QUORUM_CACHE": str(tmp_path / "results.duckdb")}
    done = subprocess.run(
        [sys.executable, "lines.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "smaller" / "config.json").exists()


def test_both_pages_show_the_same_lines() -> None:
    assert shown("README.md") == shown("docs/api.md")
