"""The parts of docs/ that code writes, so that they cannot say what is not so; tests/test_docs.py holds them.

A part stands between two comments of a page, and what is around it is written by hand:

    <!-- written by make docs: NAME -->
    <!-- end -->
"""

import re
from collections.abc import Callable
from pathlib import Path

from app.glossary import glossary
from app.root import ROOT
from benchmarks.families import table
from tests.support import architectures, cli_reference

_PART = re.compile(r"(<!-- written by make docs: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> dict[Path, str]:
    """Each page that has such parts, as it ought to be."""
    return {
        ROOT / "docs" / name: _filled(ROOT / "docs" / name, part)
        for name, part in {
            "models.md": _architectures,
            "cli.md": cli_reference.options,
            "glossary.md": _terms,
        }.items()
    }


def parts(page: Path) -> list[str]:
    """The names of the parts of a page, in order."""
    return [name for _, name, _ in _PART.findall(page.read_text(encoding="utf-8"))]


def _filled(page: Path, part: Callable[[str], str]) -> str:
    return _PART.sub(
        lambda found: f"{found[1]}{part(found[2])}\n{found[3]}",
        page.read_text(encoding="utf-8"),
    )


def _architectures(name: str) -> str:
    match name:
        case "architectures":
            return architectures.table()
        case "kinds":
            return table.table()
    raise ValueError(name)


def _terms(name: str) -> str:
    assert name == "terms"
    return glossary()


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
