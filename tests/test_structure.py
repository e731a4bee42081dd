"""The house's rules: which room may import which, how large files and folders may be, and what stays free of torch."""

import ast
import importlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from app.root import ROOT

# From below upwards: a room imports rooms of earlier lines, and none of its own line or of a later one.
ORDER = (
    ("core.errors",),
    ("core.paths",),
    ("core.files",),
    ("core.unfinished",),
    ("core.pauses",),
    ("core.coalitions",),
    ("core.records",),
    ("core.tools",),
    ("core.hub",),
    ("core.checkpoint",),
    ("core.text", "core.model"),
    ("core.surrogate",),
    ("core.sampling",),
    ("core.evaluate", "core.attribution"),
    ("core.compensation", "core.writing"),
    ("core.selection", "core.export", "core.audit", "core.cluster"),
    ("core.baselines", "core.speed", "core.tasks", "core.quantise", "core.healing"),
    ("core.drafting",),
    ("core.run",),
    ("cache",),
    ("cache.exchange",),
    ("app",),
    ("pages",),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
PACKAGES = ("core", "cache", "app", "pages")
FOREIGN = {"core": {"streamlit", "duckdb"}, "cache": {"streamlit", "torch"}}  # what a package never imports
LINES = {"core": 250, "cache": 250, "app": 250, "pages": 120}
FILES = 14  # in a folder
# The process that owns the model, and the script that Streamlit runs, which draws when it is imported.
BESIDE_THE_PAGES = ("app.worker.process", "app.worker.orders", "app.dashboard.main")


def files(*folders: str) -> list[Path]:
    """Every Python file below some folders of the checkout, as paths from its root."""
    return sorted(file.relative_to(ROOT) for folder in folders for file in (ROOT / folder).rglob("*.py"))


def name_of(file: Path) -> str:
    """`core/text` for `core/text/__init__.py`, with dots."""
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file): file for file in files(*PACKAGES)}


def rooms() -> list[str]:
    """Folders of core, cache and app that hold Python files."""
    return sorted({name_of(file.parent) for file in files("core", "cache", "app") if len(file.parts) > 2})


def room_of(module: str) -> str:
    """The name in ORDER that a module lies under: the innermost."""
    return max((room for room in RANK if f"{module}.".startswith(f"{room}.")), key=len)


def statements(nodes: Iterable[ast.AST], everywhere: bool) -> Iterator[ast.AST]:
    """All nodes below some; unless `everywhere`, only what happens when the module is imported."""
    for node in nodes:
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not everywhere:
            continue
        if everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from statements(ast.iter_child_nodes(node), everywhere)


@cache
def imported(file: Path, everywhere: bool = False) -> frozenset[str]:
    """What a file imports: of ours the very modules and the packages around them, of others their full names."""
    names = set()
    for node in statements(ast.parse((ROOT / file).read_text(encoding="utf-8")).body, everywhere):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{file}: imports are written in full"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            names |= inner or {node.module}
    around = {".".join(name.split(".")[:end]) for name in names for end in range(1, name.count(".") + 1)}
    return frozenset(names | (around & MODULES.keys()))


def test_every_module_has_a_place_in_the_order() -> None:
    assert {room for room in RANK if room not in MODULES and not (ROOT / room.replace(".", "/")).is_dir()} == set()
    for module in MODULES.keys() - {"core"}:
        assert room_of(module)


def test_imports_go_one_way() -> None:
    against = [
        f"{file} imports {other}"
        for module, file in MODULES.items()
        for other in imported(file, everywhere=True) & (MODULES.keys() - {"core"})
        if module != "core" and room_of(other) != room_of(module) and RANK[room_of(other)] >= RANK[room_of(module)]
    ]
    assert not against
    assert not imported(MODULES["core"], everywhere=True)


def test_nothing_imports_itself_by_a_detour() -> None:
    # A package around a module has been entered already when the module imports something.
    graph = {
        module: {other for other in imported(file) & MODULES.keys() if not f"{module}.".startswith(f"{other}.")}
        for module, file in MODULES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("package", FOREIGN)
def test_packages_keep_to_their_trade(package: str) -> None:
    for file in files(package):
        assert not {name.split(".")[0] for name in imported(file, everywhere=True)} & FOREIGN[package], file


def test_no_way_leads_from_a_page_to_torch() -> None:
    """By imports as they are written, through every module of ours that they lead to."""
    way = {module: module for module in MODULES if module.startswith("pages.")}
    assert way
    ahead = list(way)
    while ahead:
        module = ahead.pop()
        found = imported(MODULES[module])
        assert "torch" not in {name.split(".")[0] for name in found}, f"{way[module]} imports torch"
        for other in (found & MODULES.keys()) - way.keys():
            way[other] = f"{way[module]} imports {other}, which"
            ahead.append(other)


def test_dashboard_process_has_no_torch() -> None:
    """Every module of app but those beside the pages, and so all that pages import, without torch behind it."""
    modules = [module for module in MODULES if module.startswith("app.") and not module.startswith(BESIDE_THE_PAGES)]
    assert len(modules) > 40
    code = f"import sys; import {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", files("pages"), ids=lambda page: page.stem)
def test_pages_import_what_there_is(page: Path) -> None:
    for node in ast.walk(ast.parse((ROOT / page).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")


def test_files_are_short() -> None:
    lines = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files(*PACKAGES)}
    assert not {str(file): count for file, count in lines.items() if count > LINES[file.parts[0]]}


def test_rooms_are_small() -> None:
    held = Counter(str(file.parent) for file in files("core", "cache", "app", "tests"))
    assert not {folder: count for folder, count in held.items() if count > FILES}


def test_a_name_is_one_file() -> None:
    named = Counter(file.name for file in files("core", "cache", "app") if file.name != "__init__.py")
    assert not [name for name, count in named.items() if count > 1]


def test_every_room_says_what_lives_there() -> None:
    """And nothing else: who enters a room for one file does not wait for the others."""
    assert not [room for room in rooms() if room not in MODULES]
    for room in rooms():
        module = ast.parse((ROOT / MODULES[room]).read_text(encoding="utf-8"))
        assert ast.get_docstring(module) and len(module.body) == 1, MODULES[room]


def test_tests_mirror_the_rooms() -> None:
    for package in ("core", "cache", "app"):
        folders = {file.parent for file in files(f"tests/{package}")}
        assert not [str(folder) for folder in folders if not (ROOT / folder.relative_to("tests")).is_dir()]


def test_no_test_imports_another() -> None:
    """What several need lies in tests/support."""
    for file in files("tests"):
        ours = {name for name in imported(file, everywhere=True) if name.split(".")[0] in ("tests", "conftest")}
        assert all(name.startswith("tests.support") for name in ours), file
