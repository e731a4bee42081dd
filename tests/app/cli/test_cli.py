"""The command line: answers that programs can rely on, and every kind of bad input with its error."""

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertForMaskedLM

from app.__main__ import main
from app.root import ROOT
from benchmarks.byte_tokenizer import save_tokenizer
from core.records.spec import RunSpec
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.models import save_model

MASKS = ("--masks", 40)
RUN = ("--sequences", 4, "--window", 16, "--masks", 40, "--no-search")


def test_run_show_export_and_back(program: Cli, cli: Cli, tiny: Path, text_file: Path, tmp_path: Path) -> None:
    status, run, errors = program("run", "--model", tiny, "--corpus", text_file, *RUN)
    assert status == 0, errors
    assert {
        "run",
        "model",
        "protocol",
        "layers",
        "dense_perplexity",
        "contributions",
        "surrogate",
        "evaluations",
        "seconds",
    } <= set(run)
    assert run["layers"] == len(run["contributions"]) == 8
    assert all(item["low"] <= item["value"] <= item["high"] for item in run["contributions"])
    assert {"r2", "spearman", "mae"} <= set(run["surrogate"])
    assert run["protocol"]["sequences"] == 4 and run["protocol"]["split"] == "calibration"

    assert cli("runs")[1]["runs"][0]["run"] == run["run"]
    shown = cli("show", run["run"][:4])[1]
    assert shown["status"] == "finished"
    assert {key: shown[key] for key in run} == run

    out = tmp_path / "small"
    status, exported, errors = cli("export", run["run"], "--count", 2, "--out", out)
    assert status == 0, errors
    ranked = sorted(run["contributions"], key=lambda item: item["value"])
    assert exported["removed"] == sorted(item["layer"] for item in ranked[:2])
    assert exported["verified"] is True and exported["path"] == str(out)
    assert exported["protocol"]["split"] == "evaluation"
    assert AutoModelForCausalLM.from_pretrained(out).config.num_hidden_layers == 6


def test_values_and_interactions(cli: Cli, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(replace(spec, masks=40))
    for kind in ("stratified", "shapley", "banzhaf", "local"):
        for worth in ("score", "log_score"):
            status, answer, errors = cli("values", run, "--value", kind, "--worth", worth)
            assert status == 0, errors
            assert (answer["kind"], answer["worth"]) == (kind, worth) and len(answer["values"]) == 8
            assert all(item["low"] <= item["value"] <= item["high"] for item in answer["values"])
            assert (answer["extrapolated"] > 0.2) == (kind in ("shapley", "banzhaf"))
    shapley = cli("values", run, "--value", "shapley", "--worth", "log_score")[1]
    local = cli("values", run, "--value", "local", "--worth", "log_score")[1]
    assert shapley["values"] != local["values"]
    paper = cli("values", run, "--value", "paper")[1]
    assert "as in the paper" in paper["surrogate"]["name"] and paper["values"][0]["low"] is None
    assert cli("values", run, "--value", "paper", "--worth", "log_score")[1]["error"]["kind"] == "SelectionError"
    pairs = cli("interactions", run)[1]["pairs"]
    assert len(pairs) == 28 and {pair["meaning"] for pair in pairs} <= {"synergy", "redundancy", "undecided"}
    strengths = [abs(pair["value"]) for pair in pairs]
    assert strengths == sorted(strengths, reverse=True)
    assert cli("values", "zzzz")[1]["error"]["kind"] == "RunNotFound"


def test_perplexity_is_that_of_a_plain_forward(cli: Cli, tiny: Path, text_file: Path) -> None:
    """transformers' own loss of a model whose ModuleList lost the blocks, on windows cut by hand."""
    _, answer, errors = cli(
        "perplexity", "--model", tiny, "--corpus", text_file, "--remove", "1,4", "--window", 32, "--dtype", "float32"
    )
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    model.model.layers = torch.nn.ModuleList(
        block for index, block in enumerate(model.model.layers) if index not in (1, 4)
    )
    tokens = AutoTokenizer.from_pretrained(tiny)(text_file.read_text(), add_special_tokens=False)["input_ids"]
    windows = torch.tensor(tokens[: len(tokens) // 32 * 32]).view(-1, 32)
    with torch.inference_mode():
        losses = [model(input_ids=window[None], labels=window[None], use_cache=False).loss.item() for window in windows]
    assert answer["perplexity"] == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-3), errors
    assert answer["tokens"] == len(windows) * 31
    assert answer["removed"] == [1, 4]
    assert answer["kl"] is None
    kl = [
        cli("perplexity", "--model", tiny, "--corpus", text_file, "--windows", 3, "--kl", f"--remove={layers}")[1]["kl"]
        for layers in ("1", "1,4", "1")
    ]
    assert 0 < kl[0] < kl[1] and kl[2] == kl[0]
    some = cli("perplexity", "--model", tiny, "--corpus", text_file, "--windows", 3, "--bos", "window")[1]
    assert some["protocol"]["sequences"] == 3 and some["tokens"] == 3 * 128


def test_measured_once(cli: Cli, tiny: Path, text_file: Path, cache_file: Path) -> None:
    command = ("perplexity", "--model", tiny, "--corpus", text_file, "--windows", 5)
    cli(*command)
    with duckdb.connect(cache_file) as connection:  # a mark that no measurement could leave
        connection.execute("UPDATE evaluations SET losses = [1, 1, 1, 1, 1]")
    shutil.copytree(tiny, tiny.parent / "moved", dirs_exist_ok=True)
    again = cli("perplexity", "--model", tiny.parent / "moved", "--corpus", text_file, "--windows", 5)[1]
    assert again["mean_nll"] == 1.0, "the same weights in another folder are the same model"


def test_human_answers(tiny: Path, text_file: Path, cache_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def say(*arguments: object) -> tuple[int, str, str]:
        return main([*map(str, arguments), "--cache", str(cache_file)]), *capsys.readouterr()

    assert "No runs" in say("runs")[1]
    _, run, _ = say("run", "--model", tiny, "--corpus", text_file, *RUN)
    assert "least needed first" in run and "Measuring" not in run
    assert "finished" in say("runs")[1]
    status, out, errors = say("show", "zzzz")
    assert status == 1 and "There is no run zzzz" in errors and not out


def folder(path: Path, *, config: dict | None = None, files: dict[str, bytes] | None = None) -> Path:
    path.mkdir()
    if config is not None:
        (path / "config.json").write_text(json.dumps(config))
    for name, content in (files or {}).items():
        (path / name).write_bytes(content)
    return path


def bad_model(kind: str, tmp_path: Path, tiny: Path) -> str:
    """A model that cannot be used, made for real."""
    path = tmp_path / kind
    if kind == "missing":
        return str(path)
    if kind == "no-weights":
        return str(folder(path, config=json.loads((tiny / "config.json").read_text())))
    if kind == "pickle":
        return str(folder(path, config={"model_type": "llama"}, files={"pytorch_model.bin": b"\x80\x04."}))
    if kind == "encoder":
        BertForMaskedLM(
            BertConfig(vocab_size=258, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16)
        ).save_pretrained(path)
        save_tokenizer(path)
        return str(path)
    shutil.copytree(tiny, path)
    if kind == "code":
        (path / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}))
        (path / "own.py").write_text("raise SystemExit('executed')")
    elif kind == "truncated":
        weights = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    elif kind == "unknown":
        (path / "config.json").write_text(json.dumps({"model_type": "alien", "architectures": ["AlienForCausalLM"]}))
    elif kind == "headless":
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 12}))
    return str(path)


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("missing", "ModelNotFound", "no model"),
        ("no-weights", "ModelNotFound", "holds no weights"),
        ("pickle", "UnsafeWeights", "pickle"),
        ("encoder", "NotCausal", "not a causal"),
        ("code", "UnsafeWeights", "never executes"),
        ("truncated", "UnsupportedModel", "is damaged"),
        ("unknown", "UnsupportedModel", "does not know"),
        ("headless", "UnsupportedModel", "incomplete"),
    ],
)
def test_unusable_models(
    cli: Cli, tmp_path: Path, tiny: Path, text_file: Path, kind: str, error: str, said: str
) -> None:
    model = bad_model(kind, tmp_path, tiny)
    status, answer, errors = cli("run", "--model", model, "--corpus", text_file, *MASKS)
    assert status == 1 and answer["error"]["kind"] == error, (answer, errors)
    assert said in answer["error"]["message"] and answer["error"]["hint"]
    assert "Traceback" not in errors and "executed" not in errors


def test_unreachable_hub(program: Cli, text_file: Path) -> None:
    arguments = ("run", "--model", "nobody/has-made-this-model", "--corpus", text_file, *MASKS)
    status, answer, errors = program(*arguments, HF_ENDPOINT="http://127.0.0.1:9")
    assert status == 1 and answer["error"]["kind"] == "ModelNotFound", (answer, errors)
    assert "Hub cannot be reached" in answer["error"]["message"] and "bundled" in answer["error"]["hint"]
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["--corpus", "nothing.txt"], "CorpusError", "There is no corpus"),
        (["--sequences", 5000, *MASKS], "CorpusError", "too short"),
        (["--sequences", 0, *MASKS], "CorpusError", "cannot be measured"),
        (["--window", 1, *MASKS], "CorpusError", "cannot be measured"),
        (["--strata", "5,9"], "SelectionError", "strata cannot be sampled: 9"),
        (["--strata", "0"], "SelectionError", "strata"),
        (["--masks", 3], "SelectionError", "too few"),
        (["--masks", 300], "SelectionError", "coalitions"),
        (["--seed", -1], "SelectionError", "seed"),
        (["--window", 300, *MASKS], "CorpusError", "256 positions"),
        (["--bos", "corpus", *MASKS], "CorpusError", "draws its windows"),
        (["--corpus", "x" * 300], "BadPath", "path"),
        (["--model", "~no-such-user/x"], "BadPath", "path"),
        (["--dtype", "float8"], "DeviceError", "float8"),
        (["--device", "cuda:7"], "DeviceError", "cuda:7"),
    ],
)
def test_unusable_requests(
    cli: Cli, tiny: Path, text_file: Path, arguments: list[object], error: str, said: str
) -> None:
    status, answer, errors = cli("run", "--model", tiny, "--corpus", text_file, *arguments)
    assert status == 1 and answer["error"]["kind"] == error, (answer, errors)
    assert said in answer["error"]["message"] and answer["error"]["hint"]
    assert not cli("runs")[1]["runs"], "nothing has begun"


@pytest.mark.parametrize("remove", ["8", "0,0", "-1", "0,1,2,3,4,5,6,7"])
def test_unusable_removals(cli: Cli, tiny: Path, text_file: Path, remove: str) -> None:
    status, answer, _ = cli("perplexity", "--model", tiny, "--corpus", text_file, f"--remove={remove}")
    assert status == 1 and answer["error"]["kind"] == "SelectionError"


def test_wrong_usage_is_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["run", "--strata", "a,b"], ["export", "x", "--out", "y"], ["nonsense"], []):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 2 and "usage:" in capsys.readouterr().err
    done = subprocess.run([sys.executable, "-m", "app", "nonsense"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "usage:" in done.stderr and "Traceback" not in done.stderr


def test_export_refuses_before_it_writes(cli: Cli, finished: Finished, spec: RunSpec, tmp_path: Path) -> None:
    [run] = finished(replace(spec, masks=40))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    for arguments, error in (
        (["--count", 8, "--out", tmp_path / "a"], "SelectionError"),
        (["--remove", "9", "--out", tmp_path / "b"], "SelectionError"),
        (["--count", 1, "--out", tmp_path / "taken"], "ExportError"),
        (["--count", 1, "--out", tmp_path / "taken" / "file" / "c"], "NotWritable"),
    ):
        status, answer, _ = cli("export", run, *arguments)
        assert status == 1 and answer["error"]["kind"] == error
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir() and "claims" not in path.name) == ["taken"]


def test_a_changed_model_is_not_exported(cli: Cli, tiny: Path, text_file: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    run = cli("run", "--model", model, "--corpus", text_file, *RUN)[1]["run"]
    save_model(model, seed=1)
    status, answer, _ = cli("export", run, "--count", 1, "--out", tmp_path / "out")
    assert status == 1 and "has changed" in answer["error"]["message"] and not (tmp_path / "out").exists()


def test_relative_paths_mean_the_same_later(
    tiny: Path, text_file: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny, tmp_path / "model")
    shutil.copy(text_file, tmp_path / "tale.txt")
    with monkeypatch.context() as there:
        there.chdir(tmp_path)
        run = cli("run", "--model", "model", "--corpus", "tale.txt", *RUN)[1]["run"]
    status, exported, errors = cli("export", run, "--count", 1, "--out", tmp_path / "out")
    assert status == 0 and exported["verified"], errors


def test_doctor(cli: Cli, cache_file: Path) -> None:
    status, answer, errors = cli("doctor")
    assert status == 0 and answer["ok"], (answer, errors)
    assert {"python", "packages", "device", "bundled model", "results file", "disk"} == {
        check["name"] for check in answer["checks"]
    }
    cache_file.write_bytes(os.urandom(5000))
    status, answer, _ = cli("doctor")
    assert status == 1
    assert [check["name"] for check in answer["checks"] if not check["ok"]] == ["results file"]
