"""`heal` on the command line: what is written, what is told, killed and started again, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from app.cli.parser import parser
from app.commands.heal_command import asked_training
from app.root import ROOT
from core.export.recipes.recipe_file import read_recipe
from core.records.mends import HEALS
from core.records.spec import RunSpec
from core.run import exporting
from tests.support.commands import Cli
from tests.support.finished import Finished

FILES = ("model.safetensors", "quorum.json", "README.md", "config.json")


@pytest.fixture(autouse=True)
def peft(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))


@pytest.fixture
def run(finished: Finished, tiny: Path, text_file: Path) -> str:
    [name] = finished(
        RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50, dtype="float32")
    )
    return name


def test_a_healed_export_and_its_recipe(run: str, cli: Cli, tmp_path: Path) -> None:
    ask = "--remove", "2,5", "--compensate", "refit", "--fit", 16
    status, answer, errors = cli("heal", run, *ask, "--steps", 10, "--out", tmp_path / "one")
    assert status == 0, errors
    done, fitted = answer["healing"], answer["compensation"]
    assert done["readings"][0]["step"] == 0 and done["readings"][-1]["step"] == done["steps"] == 10
    assert done["perplexity"] == answer["perplexity"] and "(calibration)" in done["text"]
    assert answer["protocol"]["split"] == "evaluation"
    compensated = cli("export", run, *ask, "--out", tmp_path / "compensated")[1]
    assert compensated["healing"] is None and compensated["compensation"]["cuts"] == fitted["cuts"]
    assert (
        done["before"] == pytest.approx(compensated["perplexity"])
        and answer["uncompensated"] == compensated["uncompensated"]
    )
    assert not list((tmp_path / "home" / "healing").glob("*.pt")), "the state of a training that ended is gone"

    card = (tmp_path / "one" / "README.md").read_text()
    assert "nothing was trained" not in card and "LoRA (rank 8" in card
    gave = [line.split(" | ")[-1] for line in card.split("| step | perplexity |")[1].split("\n\n")[0].splitlines()[2:]]
    assert len(gave) == 2 + any(cut["accepted"] for cut in fitted["cuts"]) + bool(done["kept"])
    assert gave[1] == f"{answer['uncompensated']:.3f} |" and gave[-1] == f"{answer['perplexity']:.3f} |"
    assert cli("report", run, "--remove", "2,5", "--out", tmp_path / "report.html")[0] == 0
    assert "an export, step by step" in (tmp_path / "report.html").read_text()
    recipe = read_recipe(tmp_path / "one" / "quorum.json")
    assert recipe.heal is not None and recipe.heal.steps == 10 and recipe.compensate is not None
    status, again, errors = cli("export", "--recipe", tmp_path / "one" / "quorum.json", "--out", tmp_path / "two")
    assert status == 0 and again["healing"] == done, errors
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_killed_and_started_again_it_ends_with_the_same_bytes(
    run: str, program: Cli, cache_file: Path, tmp_path: Path
) -> None:
    ask = "heal", run, "--remove", "2,5", "--steps", "400"
    command = [sys.executable, "-m", "app", *ask, "--out", str(tmp_path / "one"), "--cache", str(cache_file)]
    for ending, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("Step "):
                    break
            time.sleep(0.3)  # in the middle of some step
            process.send_signal(ending)
            said = process.stderr.read()
        assert process.returncode == status and not (tmp_path / "one").exists()
        assert ending == signal.SIGKILL or ("the same command goes on" in said and "--finish" in said)
    status, answer, errors = program(*ask, "--out", tmp_path / "one")
    assert status == 0 and "Going on after step" in errors and answer["healing"]["steps"] == 400, errors
    status, whole, errors = program(*ask, "--out", tmp_path / "two", QUORUM_HOME=str(tmp_path / "other"))
    assert status == 0 and "Going on" not in errors and whole["healing"] == answer["healing"]
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_killed_while_it_is_timed_it_ends_well(
    run: str, cli: Cli, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, home = tmp_path / "other.txt", tmp_path / "home" / "healing"
    other.write_text(text_file.read_text())
    ask = "heal", run, "--remove", "2,5", "--steps", 4, "--corpus", other, "--out", tmp_path / "one"
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(exporting, "seconds", _stopped)
        cli(*ask)
    assert len([*home.glob("*.pt")]) == 1
    written = {file: (tmp_path / "one" / file).read_bytes() for file in FILES}
    changed = "heal", run, "--remove", "2", *ask[4:]
    assert "exists already" in cli(*changed)[1]["error"]["message"], "another removal"
    status, answer, errors = cli(*ask)
    assert status == 0 and "Going on after step 4 of 4" in errors and answer["healing"]["steps"] == 4, errors
    assert not [*home.glob("*.pt")]
    assert written == {file: (tmp_path / "one" / file).read_bytes() for file in FILES}
    assert "exists already" in cli(*ask)[1]["error"]["message"], "without a state nothing says that it was stopped"


def test_instructions_another_text_and_the_papers_recipe(run: str, cli: Cli, tmp_path: Path) -> None:
    rows = [{"instruction": f"Add {n} and {n}.", "input": "", "output": f"It is {2 * n}."} for n in range(32)]
    (tmp_path / "alpaca.json").write_text(json.dumps(rows))
    (tmp_path / "other.txt").write_text(" ".join(f"Line {n} of another text." for n in range(200)))
    ask = "heal", run, "--remove", "2"
    paper = cli(*ask, "--recipe", "paper", "--instructions", tmp_path / "alpaca.json", "--out", tmp_path / "a")[1][
        "healing"
    ]
    assert (paper["trained"], paper["held"], paper["steps"]) == (24, 8, 1) and "answers alone" in paper["text"]
    recipe = read_recipe(tmp_path / "a" / "quorum.json").heal
    assert recipe is not None and recipe.instructions == "alpaca.json", "no path of this machine"
    assert (recipe.batch, recipe.epochs, recipe.warmup, recipe.cutoff, recipe.held) == (64, 2, 100, 256, 2000)
    other = cli(*ask, "--steps", 1, "--corpus", tmp_path / "other.txt", "--out", tmp_path / "b")[1]["healing"]
    assert other["text"].startswith("other.txt (whole)")


def test_a_recipe_asks_for_the_very_text_that_it_trained_on(
    run: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").mkdir()
    text, rows = tmp_path / "notes" / "notes.txt", tmp_path / "notes" / "rows.jsonl"
    text.write_text(" ".join(f"Line {n} of some notes." for n in range(200)))
    rows.write_text("\n".join(json.dumps({"instruction": f"Say {n}.", "output": f"{n}!"}) for n in range(20)))
    for name, option, file in (("text", "--corpus", text), ("rows", "--instructions", rows)):
        first, recipe = tmp_path / name, tmp_path / name / "quorum.json"
        ask = "heal", run, "--remove", "2", "--steps", 2, "--distil", 0.5, "--temperature", 2, "--rate", 0.01
        status, healed, errors = cli(*ask, option, file, "--out", first)
        assert status == 0, errors
        assert str(tmp_path) not in recipe.read_text() and str(tmp_path) not in (first / "README.md").read_text()
        assert "50% of the loss was KL" in (first / "README.md").read_text()
        again = "export", "--recipe", recipe, "--out"
        status, missing, errors = cli(*again, tmp_path / f"{name}-missing")
        assert status == 1 and missing["error"]["kind"] == "CorpusError" and file.name in missing["error"]["message"]
        assert "--training-text FILE" in missing["error"]["hint"] and "Finding the model" not in errors
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            for place, there in enumerate((file, f"notes/{file.name}")):
                out = tmp_path / f"{name}-{place}"
                status, answer, errors = cli(*again, out, "--training-text", there)
                assert status == 0 and answer["healing"] == healed["healing"], errors
                assert all((out / each).read_bytes() == (first / each).read_bytes() for each in FILES)
            patch.chdir(tmp_path / "notes")
            assert cli(*again, tmp_path / f"{name}-here")[0] == 0, "the file of that name here"
        changed = tmp_path / file.name
        changed.write_text(file.read_text().replace("7", "seven"))
        status, answer, errors = cli(*again, tmp_path / f"{name}-changed", "--training-text", changed)
        assert status == 1 and answer["error"]["kind"] == "CorpusError" and "Step " not in errors
        assert healed["healing"]["tokens"] in answer["error"]["message"]
        assert "--training-text FILE" in answer["error"]["hint"] and not (tmp_path / f"{name}-changed").exists()
        entries = json.loads(recipe.read_text())
        (tmp_path / "r.json").write_text(json.dumps({**entries, "healing": {"tokens": "none"}}))
        assert (
            cli("export", "--recipe", tmp_path / "r.json", "--out", tmp_path / "x")[1]["error"]["kind"] == "NotRecipe"
        )
    with pytest.raises(SystemExit):
        cli("export", run, "--remove", "2", "--training-text", text, "--out", tmp_path / "x")


def test_the_runs_own_text_is_never_trained_on_whole(run: str, cli: Cli, text_file: Path, tmp_path: Path) -> None:
    ask = "heal", run, "--remove", "2", "--steps", 1, "--corpus", text_file, "--out", tmp_path / "a"
    assert "(calibration)" in cli(*ask)[1]["healing"]["text"]


def test_refused_before_any_step(
    run: str, cli: Cli, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "short.txt").write_text("A short text.")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "bad.jsonl").write_text('{"question": "Who?"}')
    out = "--out", tmp_path / "out"
    nearly_all = text_file.stat().st_size // 2 // 16 - 10  # windows; the fit takes those that would be held out
    for options, kind, words in (
        (("--plan", 3, *out), "RunNotFound", "No layers have been selected"),
        (("--remove", "99", *out), "SelectionError", "99"),
        (("--remove", "2", "--out", tmp_path / "full"), "ExportError", "exists already"),
        (("--remove", "2", "--corpus", tmp_path / "short.txt", *out), "CorpusError", "too short"),
        (("--remove", "2", "--corpus", tmp_path / "none.txt", *out), "CorpusError", "none.txt"),
        (("--remove", "2", "--instructions", tmp_path / "bad.jsonl", *out), "CorpusError", "no text in instruction"),
        (("--remove", "2", "--compensate", "refit", "--fit", nearly_all, *out), "CorpusError", "at least"),
        (("--remove", "2", "--finish", *out), "HealingError", "no such training"),
        (("--remove", "2", "--instructions", tmp_path / "none.jsonl", *out), "CorpusError", "none.jsonl"),
        (("--remove", "2", "--rate", 0, *out), "HealingError", "learning rate of 0"),
        (("--remove", "2", "--rate", "nan", *out), "HealingError", "learning rate of nan"),
        (("--remove", "2", "--distil", 1.5, *out), "HealingError", "1.5 for distillation"),
        (("--remove", "2", "--distil", 1, "--temperature", -1, *out), "HealingError", "temperature of -1"),
    ):
        status, answer, errors = cli("heal", run, *options)
        assert status == 1 and answer["error"]["kind"] == kind and words in answer["error"]["message"], (
            options,
            answer,
        )
        assert "Step " not in errors and "Compensating" not in errors and not (tmp_path / "out").exists()
    monkeypatch.setattr(metadata, "version", _missing)
    status, answer, errors = cli("heal", run, "--remove", "2", *out)
    assert status == 1 and "requirements-heal.txt" in answer["error"]["hint"] and "Loading" not in errors


@pytest.mark.parametrize(
    ("named", "device", "taken"),
    [
        ((), "cpu", "short"),
        ((), "mps", "short"),
        ((), "cuda:1", "paper"),
        (("--recipe", "short"), "cuda:1", "short"),
        (("--recipe", "paper"), "cpu", "paper"),
    ],
)
def test_a_gpu_takes_the_papers_training_where_none_is_named(named: tuple[str, ...], device: str, taken: str) -> None:
    options = parser().parse_args(["heal", "latest", "--count", "2", "--out", "there", *named])
    assert asked_training(options, device) == HEALS[taken]


def test_a_recipe_with_a_training_that_cannot_be(run: str, cli: Cli, tmp_path: Path) -> None:
    entries = json.loads(cli("recipe", run, "--remove", "2")[1]["text"])
    good = vars(HEALS["short"])
    for heal in (
        "short",
        [],
        {**good, "batch": 0},
        {**good, "rate": "fast"},
        {**good, "steps": -3},
        {**good, "rank": True},
        {**good, "seed": -1},
        {**good, "distil": 1.5},
        {**good, "temperature": 0.0},
        {**good, "temperature": 1000.0},
        {**good, "corpus": str(tmp_path / "notes.txt")},
        {**good, "corpus": "notes/../../notes.txt"},
        {**good, "instructions": "~/notes.jsonl"},
    ):
        (tmp_path / "r.json").write_text(json.dumps({**entries, "heal": heal}))
        status, answer, _ = cli("export", "--recipe", tmp_path / "r.json", "--out", tmp_path / "out")
        assert status == 1 and answer["error"]["kind"] == "NotRecipe" and "heal" in answer["error"]["message"], heal


def _stopped(*_: object) -> None:
    raise SystemExit


def _missing(_: str) -> str:
    raise metadata.PackageNotFoundError
