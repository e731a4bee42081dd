"""`speed`: a model without layers, and the folder that an export of them wrote, beside the whole one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.__main__ import main
from core.records.spec import RunSpec
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.packed.side_folders import put_library

QUICK = ("--tokens", 3, "--runs", 3, "--warm-up", 1)


def test_an_exported_folder_is_as_large_as_the_model_that_is_timed_in_its_place(
    cli: Cli, finished: Finished, spec: RunSpec, tmp_path: Path
) -> None:
    [run] = finished(spec)
    out = tmp_path / "small"
    assert cli("export", run, "--remove", "0,3", "--out", out)[0] == 0
    _, here, errors = cli("speed", run, "--remove", "0,3", *QUICK, "--batches", "2,1")
    assert here["removed"] == [0, 3] and here["folder"] is None, errors
    _, there, errors = cli("speed", run, "--folder", out, *QUICK, "--batches", "2,1")
    assert there["removed"] == [] and there["folder"] == str(out), errors

    def sizes(paces: dict[str, object]) -> object:
        taken = {"latency", "prefill", "decode", "throughput"}
        return json.loads(json.dumps(paces), object_hook=lambda one: {k: one[k] for k in one if k not in taken})

    assert sizes(here["smaller"]) == sizes(there["smaller"]) != sizes(here["whole"]) == sizes(there["whole"])
    assert [pace["batch"] for pace in here["smaller"]["paces"]] == [2, 1]
    assert (here["protocol"]["prompt"], here["protocol"]["runs"], here["machine"]["device"]) == (10, 3, "cpu")
    for whole, smaller, ratio in zip(here["whole"]["paces"], here["smaller"]["paces"], here["speedups"], strict=True):
        assert ratio["decode"]["value"] == pytest.approx(whole["decode"]["mean"] / smaller["decode"]["mean"])


@pytest.mark.parametrize(("library", "group"), [("auto-round", 32), ("gptqmodel", 32), ("bitsandbytes", 64)])
def test_a_folder_in_four_bits_is_timed_as_it_is(
    program: Cli,
    finished: Finished,
    spec: RunSpec,
    wide: Path,
    text_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    library: str,
    group: int,
) -> None:
    """With the weights that it has, packed: fewer bytes than the whole model's, which has as many parameters.

    In processes of their own: a library that is lent stays, and what came with it.
    """
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    put_library(tmp_path / "home", library)
    [run] = finished(replace(spec, model=str(wide), dtype="float32", device="cpu"))
    out, text = tmp_path / "four", ("--corpus", text_file, "--sequences", 4, "--window", 16)
    status, _, errors = program("quantise", wide, "--library", library, "--group-size", group, "--out", out, *text)
    assert status == 0, errors
    status, timed, errors = program("speed", run, "--folder", out, *QUICK)
    assert status == 0, errors
    whole, four = timed["whole"], timed["smaller"]
    assert four["weight_bytes"] < whole["weight_bytes"] and four["parameters"] == whole["parameters"]
    assert four["paces"][0]["decode"]["mean"] > 0


def test_a_person_reads_a_table(
    finished: Finished, spec: RunSpec, cache_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = finished(spec)
    typed = ["speed", run, "--count", "2", *map(str, QUICK), "--cache", str(cache_file)]
    assert main(typed) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "without layers" in lines[0] and "mean ± sd of 2 runs in turn after 1 to warm up" in lines[1]
    for name in ("parameters", "weights", "batch 1", "latency, ms", "prefill, ms", "decode, ms", "keys and values"):
        assert any(line.startswith(name) for line in lines), said.out
    assert max(map(len, lines[2:])) <= 90 and "profiler" not in said.err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--remove", "9"), "There is no player 9"),
        (("--remove", "0", "--runs", 11), "Of 11 runs, 10 to warm up leave too few"),
        (("--remove", "0", "--tokens", 250), "260: "),
        (("--folder", "nowhere"), "nowhere"),
    ],
)
def test_what_is_wrong_is_told(
    options: tuple[object, ...], why: str, cli: Cli, finished: Finished, spec: RunSpec
) -> None:
    [run] = finished(spec)
    status, answer, _ = cli("speed", run, *options)
    assert status == 1 and why in answer["error"]["message"] and answer["error"]["hint"]
