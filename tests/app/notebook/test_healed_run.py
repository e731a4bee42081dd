"""`run.heal` against the command `heal`: the same folder, the same words for what is wrong; what an interrupt keeps."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
import quorum

from app.notebook import progress_bar
from cache import queries
from cache.database import Database
from cache.store import Store
from core.errors import QuorumError
from core.records.events import Training
from core.records.mends import HEALS
from core.records.spec import RunSpec
from tests.support.commands import Cli
from tests.support.finished import Finished

FILES = ("model.safetensors", "quorum.json", "README.md", "config.json")


@pytest.fixture
def run(
    finished: Finished, tiny: Path, text_file: Path, cache_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> quorum.Run:
    pytest.importorskip("peft")
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    spec = RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50, dtype="float32")
    [name] = finished(spec)
    return quorum.load(name, cache=cache_file)


def test_it_is_what_the_command_writes(run: quorum.Run, cli: Cli, tmp_path: Path, cache_file: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"instruction": f"Say {n}.", "output": f"{n}!"}) for n in range(20)))
    for name, options, given in (
        ("a", ("--steps", 3, "--compensate", "refit", "--fit", 16), {"steps": 3, "compensate": "refit", "fit": 16}),
        (
            "b",
            ("--recipe", "paper", "--instructions", rows, "--distil", 0.5, "--temperature", 2, "--rate", 0.001),
            {"recipe": "paper", "instructions": rows, "distil": 0.5, "temperature": 2, "rate": 1e-3},
        ),
    ):
        status, told, errors = cli("heal", run.name, "--remove", "2,5", *options, "--out", tmp_path / name)
        assert status == 0, errors
        done = run.heal([2, 5], tmp_path / f"{name}2", **given)
        assert done.perplexity == told["perplexity"] and done.before == told["healing"]["before"]
        assert (done.steps, done.kept) == (told["healing"]["steps"], told["healing"]["kept"])
        readings = told["healing"]["readings"]
        assert list(done.readings.columns) == ["step", "loss", "perplexity"]
        assert list(done.readings.step) == [reading["step"] for reading in readings]
        assert list(done.readings.loss)[1:] == [reading["loss"] for reading in readings[1:]]
        for file in FILES:
            assert (done.path / file).read_bytes() == (tmp_path / name / file).read_bytes(), file
    result = queries.find_run(Database(cache_file), run.name).result
    assert result is not None
    refitted, paper = Store(Database(cache_file)).traits(result.model, ["11011011"])["11011011"].treated.values()
    assert refitted.heal == replace(HEALS["short"], steps=3) and refitted.compensation is not None
    assert paper.heal == replace(HEALS["paper"], distil=0.5, temperature=2.0, rate=1e-3), "without its path"
    assert "epochs 2" in str(paper) and "distil 0.5" in str(paper) and str(tmp_path) not in repr(paper)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda run, out: run.heal([], out), "Nobody would be removed"),
        (lambda run, out: run.heal([99], out), "99"),
        (lambda run, out: run.heal([2], out, recipe="long"), "recipe='long'"),
        (lambda run, out: run.heal([2], out, steps=0), "steps=0"),
        (lambda run, out: run.heal([2], out, rate=-1), "rate=-1"),
        (lambda run, out: run.heal([2], out, rate=2.0), "learning rate of 2"),
        (lambda run, out: run.heal([2], out, distil=1.5), "1.5 for distillation"),
        (lambda run, out: run.heal([2], out, temperature=0), "temperature=0"),
        (lambda run, out: run.heal([2], out, corpus="a.txt", instructions="b.jsonl"), "two texts"),
        (lambda run, out: run.heal([2], out, corpus="none.txt"), "no text none.txt"),
        (lambda run, out: run.heal([2], out, instructions=3), "instructions=3"),
        (lambda run, out: run.heal([2], out, compensate="magic"), "compensate='magic'"),
        (lambda run, out: run.heal([2], out, fit=16), "fit=16 is of a compensation"),
        (lambda run, out: run.heal([2], out, compensate="scale", fit=[8, 99]), "one whole number"),
        (lambda run, out: run.heal([2], out, finish=True), "no such training"),
    ],
)
def test_what_cannot_be_meant(run: quorum.Run, tmp_path: Path, ask: Callable[..., object], words: str) -> None:
    with pytest.raises(QuorumError, match=words):
        ask(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_peft_it_says_what_to_install(run: quorum.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(QuorumError, match=r"requirements-heal\.txt"):
        run.heal([2], tmp_path / "out")


def test_an_interrupt_keeps_every_step(run: quorum.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run.heal([2], tmp_path / "whole", steps=8)
    told: list[int] = []

    def interrupted(_: object, event: object) -> None:
        if isinstance(event, Training):
            told.append(event.first + len(event.losses))
            if told[-1] == 3:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(progress_bar, "_show", interrupted)
        run.heal([2], tmp_path / "two", steps=8)
    assert not (tmp_path / "two").exists()
    with monkeypatch.context() as patch:
        patch.setattr(progress_bar, "_show", lambda _, event: told.append(event))
        done = run.heal([2], tmp_path / "two", steps=8)
    begun = next(event for event in told if isinstance(event, Training))
    assert len(begun.losses) == 3
    assert (done.path / FILES[0]).read_bytes() == (whole.path / FILES[0]).read_bytes()
