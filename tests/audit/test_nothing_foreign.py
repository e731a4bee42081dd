"""Whatever folders and texts are tried: nothing of them runs, nothing is fetched, nothing is written elsewhere."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.root import ROOT
from cache.exchange import unpacking
from core.text import columns
from tests.support.audit.hostile import BESIDE, REFUSED, TEMPLATES, made, template, write_texts

RUN = ("--sequences", "2", "--window", "16", "--masks", "20", "--dtype", "float32", "--device", "cpu")
THE_RUN = "THE RUN"  # the watched process knows its name as soon as it is made
SHORT = ("--window", "16", "--windows", "2", "--dtype", "float32", "--device", "cpu")


@dataclass(frozen=True)
class Audit:
    """What a process did while everything was tried."""

    base: Path
    answers: dict[str, tuple[int, str]]
    events: list[tuple[str, str, str]]  # during which call, of what kind, and what
    before: dict[str, bytes]  # the files that were given, and those of places that are nobody's business
    after: dict[str, bytes]

    def of(self, kind: str) -> Iterator[tuple[str, str]]:
        return ((call, what) for call, found, what in self.events if found == kind)


@pytest.fixture(scope="module")
def audit(tiny: Path, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    base = tmp_path_factory.mktemp("audit").resolve()
    for name in ("models", "texts", "elsewhere", "user", "here", "home", "named", "tmp"):
        (base / name).mkdir()
    elsewhere, cache, named = base / "elsewhere", base / "named" / "results.duckdb", base / "named"
    (elsewhere / "secret").write_text("{{ 'secret' }}")
    changes = BESIDE | REFUSED | {name: template(text) for name, text in TEMPLATES.items()}
    models = {
        name: str(made(tiny, base / "models" / name.replace(" ", "-"), elsewhere, change))
        for name, change in changes.items()
    }
    texts = write_texts(base / "texts", elsewhere, text_file.read_text())
    chats = base / "texts" / "chats.jsonl"
    chats.write_text(json.dumps({"messages": [{"role": "user", "content": "Hello there. " * 20}]}) + "\n")

    calls: list[tuple[str, list[str]]] = []

    def call(name: str, *arguments: object, cache: Path = cache) -> None:
        calls.append((name, [*map(str, arguments), "--json", "--cache", str(cache)]))

    for name in (*BESIDE, *REFUSED):
        call(f"perplexity {name}", "perplexity", "--model", models[name], "--corpus", text_file, *SHORT)
    for name in TEMPLATES:
        chat = ("--corpus", chats, "--field", "messages")
        call(f"chat {name}", "perplexity", "--model", models[name], *chat, *SHORT)
    for name, file in texts.items():
        call(f"text {name}", "perplexity", "--model", models["nothing"], "--corpus", file, *SHORT)
    # The first model that is measured is the one that the run names, and that is exported.
    call("run", "run", "--model", models["code and pickles"], "--corpus", text_file, *RUN, "--no-search")
    call("show", "show", THE_RUN)
    call("export", "export", THE_RUN, "--remove", "2,5", "--out", named / "smaller")
    call("reload", "perplexity", "--model", named / "smaller", "--corpus", text_file, *SHORT)
    call("evaluations export", "evaluations", "export", THE_RUN, "--out", named / "evaluations.parquet")
    call("evaluations import", "evaluations", "import", named / "evaluations.parquet", cache=named / "other.duckdb")
    for name in ("pickled type", "pickled parquet"):
        call(f"import {name}", "evaluations", "import", texts[name], cache=named / "other.duckdb")
    plan = {"calls": calls, "forecasts": [(f"forecast {name}", models[name]) for name in models], "cache": str(cache)}

    asked, answer = base / "home" / "plan.json", base / "home" / "answer.json"
    asked.write_text(json.dumps(plan))
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG_", "QUORUM_", "TORCH"))
    }
    environment |= {"HOME": str(base / "user"), "TMPDIR": str(base / "tmp"), "QUORUM_HOME": str(base / "home")}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    before = contents(base)
    command = [sys.executable, "-B", str(ROOT / "tests/support/audit/watched.py"), str(asked), str(answer)]
    done = subprocess.run(
        command, cwd=base / "here", env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(answer.read_text())
    return Audit(base, told["answers"], told["events"], before, contents(base))


def contents(base: Path) -> dict[str, bytes]:
    """All that lies in the places where nothing may change."""
    folders = [base / name for name in ("models", "texts", "elsewhere", "user", "here")]
    files = [file for folder in folders for file in folder.rglob("*")]
    return {str(file.relative_to(base)): file.read_bytes() if file.is_file() else b"" for file in files}


def is_within(path: str, *folders: Path) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def test_the_calls_did_what_they_should(audit: Audit) -> None:
    status = {name: found for name, (found, _) in audit.answers.items()}
    wrong = {f"perplexity {name}": (status[f"perplexity {name}"], 0) for name in BESIDE}
    wrong |= {f"perplexity {name}": (status[f"perplexity {name}"], 1) for name in REFUSED}
    works = ("run", "show", "export", "reload", "evaluations")
    wrong |= {name: (found, 0) for name, found in status.items() if name.split()[0] in works}
    wrong |= {f"text {name}": (status[f"text {name}"], 0) for name in ("good parquet", "good jsonl.gz", "addresses")}
    wrong |= {name: (found, 1) for name, found in status.items() if name.startswith("import ")}
    assert {name: audit.answers[name] for name, (found, due) in wrong.items() if found != due} == {}
    chats = {name: audit.answers[f"chat {name}"] for name in TEMPLATES}
    assert chats.pop("plain")[0] == 0
    assert all(found == 1 and "chat template refuses" in said for found, said in chats.values())
    forecasts = {name: found for name, found in status.items() if name.startswith("forecast ")}
    assert forecasts == {f"forecast {name}": int(name in REFUSED) for name in BESIDE | REFUSED | TEMPLATES}
    refusals = [said for found, said in audit.answers.values() if found]
    assert not any("Traceback" in said for said in refusals)


def test_what_lies_beside_a_model_changes_no_number(audit: Audit) -> None:
    def number(name: str) -> Any:
        return json.loads(audit.answers[f"perplexity {name}"][1])["perplexity"]

    assert {number(name) for name in BESIDE} == {number("nothing")}


def test_nothing_is_written_elsewhere(audit: Audit) -> None:
    """Python's own writes are told by its audit, and those of libraries in C by what lies there afterwards."""
    allowed = (audit.base / "home", audit.base / "named", audit.base / "tmp", Path("/dev"))
    assert [found for found in audit.of("write") if not is_within(found[1], *allowed)] == []
    assert audit.after == audit.before


def test_nothing_is_fetched(audit: Audit) -> None:
    assert list(audit.of("socket")) == []


def test_no_process_is_started_but_for_columns_evaluations_and_templates(audit: Audit) -> None:
    started = list(audit.of("start"))
    # A chat's template is filled in by a copy of this process, which can be ended.
    copies = [found for found in started if found[0].startswith("chat ") and found[1] == "os.fork ()"]
    reader = [found for found in started if f"'{columns.__file__}'" in found[1]]
    unpacker = [found for found in started if f"'{unpacking.__file__}'" in found[1]]
    assert {call for call, _ in copies} == {f"chat {name}" for name in TEMPLATES}
    assert len(started) == len(copies) + len(reader) + len(unpacker)
    assert {call for call, _ in reader} >= {"text good parquet", "text pickled type"}
    assert all(call.startswith("text ") for call, _ in reader)
    assert {call for call, _ in unpacker} == {"evaluations import", "import pickled type", "import pickled parquet"}


def test_no_code_of_theirs_is_executed(audit: Audit) -> None:
    """Code that has a file has it among what is installed, or in the checkout."""
    ours = (ROOT, Path(sys.prefix), Path(sys.base_prefix))
    theirs = [found for found in audit.of("execute") if found[1].startswith("/") and not is_within(found[1], *ours)]
    inside = [found for found in audit.of("execute") if is_within(found[1], audit.base)]
    assert theirs == [] and inside == []


def test_no_pickle_is_read(audit: Audit) -> None:
    assert list(audit.of("unpickle")) == []


def test_nothing_outside_of_a_folder_is_read(audit: Audit) -> None:
    outside = (audit.base / "elsewhere", Path("/etc/passwd"))
    assert [found for found in audit.of("read") if is_within(found[1], *outside)] == []
    through = [call for call, path in audit.of("read") if is_within(str(Path(path).resolve()), *outside)]
    assert through == []


def test_no_file_of_an_export_is_run_by_a_program(audit: Audit) -> None:
    written = {file.name for file in (audit.base / "named" / "smaller").rglob("*")}
    assert "LICENSE.txt" in written
    assert {Path(name).suffix for name in written} <= {".json", ".safetensors", ".md", ".txt", ".jinja", ""}
