"""The names of `import quorum`: those it says, those it binds, those docs/api.md has; and it comes quickly."""

import inspect
import re
import subprocess
import sys
from dataclasses import fields
from types import ModuleType

import pytest
import quorum

from app.root import ROOT
from core import __version__
from core.records.spec import RunSpec

API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_all_is_what_it_binds() -> None:
    bound = {name for name, value in vars(quorum).items() if not isinstance(value, ModuleType)}
    assert sorted(quorum.__all__) == sorted({name for name in bound if not name.startswith("_")} | {"__version__"})
    assert quorum.__version__ == __version__


def test_every_name_has_its_part_of_the_documentation() -> None:
    assert sorted(re.findall(r"^## `quorum\.(\w+)`", API, re.MULTILINE)) == sorted(quorum.__all__)


@pytest.mark.parametrize("name", ["Run", "Surrogate"])
def test_every_member_is_documented(name: str) -> None:
    part = API.split(f"## `quorum.{name}`")[1].split("\n## ")[0]
    documented = set(
        re.findall(r"`\.(\w+)(?:\(.*?\))?`", "\n".join(re.findall(r"^\| (`\..*?) \|", part, re.MULTILINE)))
    )
    classes = getattr(quorum, name).__mro__[:-1]  # all but object
    members = {member for one in classes for member in vars(one) if not member.startswith("_")}
    assert documented >= members
    assert documented - members <= {"name", "players"}, "set by the constructor"


@pytest.mark.parametrize("name", ["run", "runs", "load", "evaluate", "fit", "compare", "draft", "quantise"])
def test_documented_arguments_are_those_of_the_function(name: str) -> None:
    part = API.split(f"## `quorum.{name}`")[1].split("\n## ")[0]
    found = re.search(rf"\b{name}\((.*?)\) -> ", part, re.DOTALL)
    assert found is not None
    written = [item.strip() for item in re.split(r",(?![^(]*\))", found[1]) if item.strip() != "*"]
    assert written == [
        item.name if item.default is item.empty else f"{item.name}={_literal(item.default)}"
        for item in inspect.signature(getattr(quorum, name)).parameters.values()
    ]


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def test_run_takes_what_a_run_is_asked_for_with_the_same_defaults() -> None:
    parameters = inspect.signature(quorum.run).parameters
    assert parameters["search"].default is True
    task = ("worth", "data", "limit")
    assert all(parameters[name].default is None for name in task)
    assert {name: item.default for name, item in parameters.items() if name not in ("cache", "search", *task)} == {
        field.name: field.default for field in fields(RunSpec)
    }
    for function in (quorum.evaluate, quorum.compare):
        shared = {name: item.default for name, item in inspect.signature(function).parameters.items()}
        assert {name: shared[name] for name in shared if name in parameters and name not in ("model", "corpus")} == {
            name: parameters[name].default for name in shared if name in parameters and name not in ("model", "corpus")
        } | ({"masks": inspect.Parameter.empty} if "masks" in shared else {})


def test_importing_it_imports_nothing_slow() -> None:
    heavy = ("torch", "transformers", "datasets", "streamlit", "plotly", "sklearn", "huggingface_hub")
    code = f"import sys, quorum; print([name for name in {heavy} if name in sys.modules])"
    path = f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'app' / 'notebook')]}; "
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
