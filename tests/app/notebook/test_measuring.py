"""What a notebook measures: against the command line, and against plain transformers forwards."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import quorum
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from app.notebook.progress_bar import follow
from cache import evaluations
from cache.database import Database
from core.coalitions.masks import encode, without
from core.records.events import Event, Progress, Stage
from core.records.spec import RunSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.commands import Cli

FIGURES = ("value", "low", "high", "calibration")


def test_a_run_in_memory_is_that_of_the_command_line_and_goes_on(spec: RunSpec, cli: Cli, tmp_path: Path) -> None:
    run = quorum.run(**asdict(spec), search=False, cache=":memory:")
    options = ("--sequences", spec.sequences, "--window", spec.window, "--masks", spec.masks, "--no-search")
    status, shown, errors = cli("run", "--model", spec.model, "--corpus", spec.corpus, *options)
    assert status == 0, errors
    assert run.name == shown["run"] and run.status == "finished"
    for name in FIGURES:
        assert list(run.contributions[name]) == [row[name] for row in shown["contributions"]]

    removed = run.measure([2, 5])
    predicted = run.predict([2, 5])
    assert removed.removed == predicted.removed == ("2", "5")
    everything = [[place not in (2, 5) for place in range(8)], [True] * 8]
    game = {name: value for name, value in asdict(spec).items() if name not in ("sampler", "masks", "strata")}
    losses = quorum.evaluate(masks=everything, **game, cache=":memory:")
    assert losses.shape == (2, spec.sequences)
    assert np.exp(losses[0].mean(dtype=np.float64)) == pytest.approx(removed.perplexity, rel=1e-6)
    assert np.exp(losses[1].mean(dtype=np.float64)) == pytest.approx(run.perplexity, rel=1e-6)

    plan = run.select(2, units=0.3)
    assert list(plan["count"]) == [2] and len(plan["removed"][0]) == 2
    assert run.select(2, units=0.3).equals(plan) and run.select(2).equals(plan)
    mended = run.select(2, units=0.3, compensate="scale")
    assert list(mended["count"]) == [2] and mended["perplexity"][0] <= mended["plain"][0]
    assert mended.attrs["finalists"] >= 1 and "calibration" in mended.attrs["fitted"]
    done = run.export(plan["removed"][0], tmp_path / "smaller")
    assert done.path == tmp_path / "smaller" and done.removed == plan["removed"][0]
    assert AutoModelForCausalLM.from_pretrained(done.path).config.num_hidden_layers == 6
    fitted = run.export(plan["removed"][0], tmp_path / "fitted", compensate="refit")
    assert done.perplexity == done.uncompensated == fitted.uncompensated
    told = json.loads((fitted.path / "quorum.json").read_text())
    assert told["compensation"]["how"] == "refit" and told["perplexity"] == fitted.perplexity


def test_losses_are_those_of_plain_forwards(spec: RunSpec, tiny: Path, cache_file: Path) -> None:
    masks = np.ones((3, 8), dtype=int)
    masks[1, 3] = masks[2, [0, 6]] = 0
    found = quorum.evaluate(
        tiny, spec.corpus, masks, sequences=3, window=16, dtype="float32", device="cpu", cache=cache_file
    )
    text = replace(spec, sequences=3).text()
    ids = cut(read(text.corpus, text.split), AutoTokenizer.from_pretrained(tiny), text).ids
    for mask, losses in zip(masks, found, strict=True):
        model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
        kept = [block for block, stays in zip(model.model.layers, mask, strict=True) if stays]
        model.model.layers = torch.nn.ModuleList(kept)
        with torch.no_grad():
            truth = [float(model(row[None], labels=row[None], use_cache=False).loss) for row in ids]
        np.testing.assert_allclose(losses, truth, rtol=1e-4)
    [game] = _games(cache_file)
    assert len(evaluations.losses(Database(cache_file), game, ["1" * 8, "11101111", "01111101"])) == 3, "all is kept"
    with pytest.raises(quorum.QuorumError, match="7 players"):
        quorum.evaluate(tiny, spec.corpus, masks[:, :7], sequences=3, window=16, cache=cache_file)


def test_methods_are_compared_as_on_the_command_line(spec: RunSpec, cli: Cli, cache_file: Path) -> None:
    """And what each chose is known on the text that it chose on, too: a curve shows it beside the run's own plans."""
    asked = {"sequences": 2, "window": 16, "counts": [2], "cache": cache_file}
    found = quorum.compare(["random", "one-shot"], spec.model, spec.corpus, **asked)
    options = ("--sequences", 2, "--window", 16, "--counts", 2, "--methods", "random,one-shot")
    status, shown, errors = cli("compare", "--model", spec.model, "--corpus", spec.corpus, *options)
    assert status == 0, errors
    assert list(found["method"]) == ["random", "one-shot"]
    assert found.attrs["perplexity"] == shown["dense_perplexity"]
    for row, method in zip(found.to_dict("records"), shown["methods"], strict=True):
        [plan] = method["plans"]
        assert row["removed"] == tuple(map(str, plan["removed"])) and row["perplexity"] == plan["perplexity"]
        mask = encode(without(8, [int(name) for name in plan["removed"]]))
        known = [evaluations.losses(Database(cache_file), game, [mask]) for game in _games(cache_file)]
        assert 2 in [len(losses[mask]) for losses in known if mask in losses]
    with pytest.raises(quorum.QuorumError, match="chance"):
        quorum.compare("chance", spec.model, spec.corpus, **asked)
    with pytest.raises(quorum.QuorumError, match="one whole number"):
        quorum.compare("random", spec.model, spec.corpus, compensate="scale", fit=[8, 99], **asked)
    with pytest.raises(quorum.QuorumError, match="nothing is fitted"):
        quorum.compare("random", spec.model, spec.corpus, fit=8, **asked)


def test_an_interrupt_lets_go_of_the_run() -> None:
    """Also where a notebook keeps the traceback, and all that its frames hold."""
    ended = []

    def working() -> Iterator[Event]:
        try:
            yield Stage("Loading")
            yield Progress(1, 3, 0, 1.0, 2.0)
            raise KeyboardInterrupt
        finally:
            ended.append("closed")

    def stopped(bar: object, event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(working())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.notebook.progress_bar._show", stopped)
        kept = working()
        with pytest.raises(KeyboardInterrupt):
            follow(kept)
    assert ended == ["closed"] * 2


def _games(file: Path) -> list[str]:
    with Database(file).reading() as connection:
        return [row[0] for row in connection.execute("SELECT game FROM games").fetchall()]
