"""The documentation says what is so: parts that code writes are fresh, and links lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.cli.parser import parser
from app.root import ROOT
from core import __version__
from tests.support import generated_docs
from tests.support.cli_reference import commands

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", generated_docs.pages(), ids=lambda page: page.name)
def test_what_code_writes_is_fresh(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == generated_docs.pages()[page], "make docs"


def test_every_command_is_documented() -> None:
    assert sorted(generated_docs.parts(ROOT / "docs" / "cli.md")) == sorted(commands())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in commands():
        assert f"`{command}" in readme, f"README's table of commands leaves out {command}"


def test_the_commands_of_readme_are_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    typed = re.findall(r"^python -m app (.+)$", readme, re.MULTILINE)
    assert len(typed) >= 5
    for line in typed:
        parser().parse_args(shlex.split(line, comments=True))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in links(page):
        name, _, heading = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if heading:
            assert heading in headings(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"(?<![\w/])(?:core|cache|app|pages|tests|benchmarks)/[\w/]*\w\.\w+", page.read_text("utf-8"))
    assert not [file for file in named if not (ROOT / file).exists()]


def test_readme_is_two_screens_long_and_every_page_is_reached_from_it() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
    linked = {(ROOT / link).resolve() for link in links(ROOT / "README.md")}
    assert linked >= set(PAGES) - {ROOT / "README.md"}


def test_every_room_of_core_is_in_readme() -> None:
    named = re.findall(r"^\| `core/(\w+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted({file.parent.name for file in (ROOT / "core").glob("*/*.py")})


def test_this_version_is_in_the_changelog() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert __version__ in versions


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_what_is_installed_is_pinned_by_its_hash(name: str) -> None:
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    pinned = {line.partition(" ")[0] for line in locked.splitlines() if "==" in line and line.endswith("\\")}
    asked = [line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    lost = {line.lower().replace("_", "-") for line in asked if line} - pinned
    assert not lost, f"run `make lock`: {lost}"


def test_a_commit_is_held_to_what_make_check_runs() -> None:
    check = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ncheck:")[1].split("\n\n")[0]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert [hook["entry"].replace(".venv/bin", "$(BIN)") for hook in hooks] == check.split("\n\t")[1:]


def links(page: Path) -> Iterator[str]:
    """What a page links to or shows, but for addresses on the web."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text):
        found = target[0] or target[1]
        if not found.startswith(("http:", "https:")):
            yield found


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them of its headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}
