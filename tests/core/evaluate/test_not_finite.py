"""Losses that are no numbers: one error that names the weight or the part of the model, and a hint that can help."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cache.database import Database
from cache.store import Store
from core.checkpoint.checkpoint import locate
from core.errors import EvaluationError
from core.evaluate.reference import check_finite, sequence_losses
from core.export.export import export
from core.model.model import LoadedModel, load
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.selection.plan import metered
from core.text.corpora import read
from core.text.windows import Windows, cut
from tests.support.models import recipe_of

DOWN = "model.layers.4.mlp.down_proj.weight"
Weights = dict[str, torch.Tensor]


def spoilt(tiny: Path, folder: Path, change: Callable[[Weights], object], dtype: torch.dtype = torch.float32) -> Path:
    """A copy of the model with other weights."""
    shutil.copytree(tiny, folder)
    weights = {name: weight.to(dtype) for name, weight in load_file(folder / "model.safetensors").items()}
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def one(name: str, value: float) -> Callable[[Weights], object]:
    return lambda weights: weights[name].view(-1)[:1].fill_(value)


def error(loaded: LoadedModel, mask: np.ndarray | None = None) -> EvaluationError:
    ids = torch.arange(60).view(3, 20) % 256
    kept = np.ones(8, dtype=bool) if mask is None else mask
    with pytest.raises(EvaluationError) as refused:
        check_finite(loaded, ids, kept, sequence_losses(loaded, ids, kept))
    return refused.value


@pytest.mark.parametrize(
    ("name", "value", "dtype"),
    [
        (DOWN, np.nan, "float32"),
        (DOWN, np.inf, "float16"),
        ("model.embed_tokens.weight", -np.inf, "bfloat16"),
        ("model.norm.weight", np.nan, "float16"),
    ],
)
def test_the_weight_is_named(tiny: Path, tmp_path: Path, name: str, value: float, dtype: str) -> None:
    def change(weights: Weights) -> None:
        one(name, value)(weights)
        if name != "model.norm.weight":  # it comes after all layers
            one("model.layers.6.mlp.up_proj.weight", value)(weights)

    found = error(load(locate(str(spoilt(tiny, tmp_path / "m", change))), dtype, "cpu"))
    assert f"{name} has weights that are not finite" in found.message and "whole model" in found.message
    assert "--dtype" not in found.hint and "download" in found.hint


def test_weights_beyond_a_dtype(tiny: Path, tmp_path: Path) -> None:
    loaded = load(locate(str(spoilt(tiny, tmp_path / "m", one(DOWN, 1e6)))), "float16", "cpu")
    found = error(loaded)
    assert f"{DOWN} has weights beyond what float16 can hold" in found.message and "--dtype bfloat16" in found.hint


def large(weights: Weights) -> None:
    """Products of layer 4 that no float16 holds."""
    for name in ("up_proj", "gate_proj", "down_proj"):
        weights[f"model.layers.4.mlp.{name}.weight"] *= 500


def test_the_first_output_is_named(tiny: Path, tmp_path: Path) -> None:
    folder = str(spoilt(tiny, tmp_path / "m", large))
    found = error(load(locate(folder), "float16", "cpu"))
    assert "model.layers.4." in found.message and "float16" in found.message and "--dtype bfloat16" in found.hint
    exact = load(locate(folder), "float32", "cpu")
    ids = torch.arange(20)[None]
    assert np.isfinite(sequence_losses(exact, ids, np.ones(8, dtype=bool))).all()  # and the hint is right


def test_no_dtype_is_offered_where_none_helps(tiny: Path, tmp_path: Path) -> None:
    def change(weights: Weights) -> None:
        for name in ("up_proj", "gate_proj", "down_proj"):
            weights[f"model.layers.2.mlp.{name}.weight"] *= 1e20

    found = error(load(locate(str(spoilt(tiny, tmp_path / "m", change))), "float32", "cpu"))
    assert "model.layers.2.mlp" in found.message and "--dtype" not in found.hint and "No dtype helps" in found.hint


def test_the_coalition_is_named(tiny: Path, tmp_path: Path) -> None:
    """Block 1 makes hidden states small enough for what block 5 does with them."""
    loaded = load(locate(str(tiny)), "float32", "cpu")
    blocks = loaded.blocks.modules
    seen = {"shrunk": False}
    blocks[0].register_forward_pre_hook(lambda *_: seen.update(shrunk=False))
    blocks[1].mlp.register_forward_hook(lambda *_: seen.update(shrunk=True))
    blocks[5].register_forward_hook(lambda _m, _i, output: output if seen["shrunk"] else output * torch.inf)
    mask = np.ones(8, dtype=bool)
    mask[[1, 3]] = False
    found = error(loaded, mask)
    assert "The loss without 1, 3, unlike the whole model's, is not a number" in found.message
    assert "model.layers.5 is the first" in found.message and "--dtype" not in found.hint


@pytest.fixture
def engine(cache_file: Path) -> Iterator[Engine]:
    return Engine(Store(Database(cache_file)))


def request(folder: Path, text_file: Path) -> RunSpec:
    return RunSpec(model=str(folder), corpus=str(text_file), sequences=4, window=16, masks=20, dtype="float32")


def test_every_way_out_says_so(tiny: Path, text_file: Path, tmp_path: Path, engine: Engine, cache_file: Path) -> None:
    folder = spoilt(tiny, tmp_path / "m", one(DOWN, np.nan))
    spec = request(folder, text_file)
    named = f"{DOWN} has weights that are not finite"
    everybody = np.ones((1, 8), dtype=bool)
    for work in (
        lambda: list(engine.measure(spec, spec.text(), ())),
        lambda: list(engine.measure(spec, spec.text("evaluation"), (2,))),
        lambda: list(engine.run(spec)),
        lambda: list(engine.run(spec)),  # it is stored by now
        lambda: list(engine.evaluate(spec, everybody)),
        lambda: list(engine.evaluate(spec, np.arange(8)[None] != 2)),
        lambda: list(engine.measure(spec, spec.text(), (4,))) and list(engine.measure(spec, spec.text(), ())),
    ):
        with pytest.raises(EvaluationError, match=named):
            work()
    list(engine.measure(spec, spec.text(), (4,)))  # without the bad layer, there is a number


def windows(loaded: LoadedModel, spec: RunSpec) -> Windows:
    text = spec.text("evaluation")
    return cut(read(text.corpus, text.split), loaded.checkpoint.tokenizer, text)


def test_searches_and_exports_say_so(tiny: Path, text_file: Path, tmp_path: Path, cache_file: Path) -> None:
    folder = spoilt(tiny, tmp_path / "m", one(DOWN, np.nan))
    spec = request(folder, text_file)
    loaded = load(locate(str(folder)), "float32", "cpu")
    found = windows(loaded, spec)
    with pytest.raises(EvaluationError, match=DOWN):
        export(loaded, found, recipe_of(loaded, [2]), tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))

    class Opened:
        windows, packed = found, None

    Opened.loaded = loaded
    meter = metered(Store(Database(cache_file)), Opened(), (2, 4), divergences=True)
    with pytest.raises(EvaluationError, match=DOWN):
        meter.losses(np.stack([meter.whole, np.arange(8) != 2]), 2)


def test_what_was_measured_is_kept(tiny: Path, text_file: Path, tmp_path: Path, engine: Engine) -> None:
    folder = spoilt(tiny, tmp_path / "m", one(DOWN, np.nan))
    spec = request(folder, text_file)
    masks = np.stack([np.ones(8, dtype=bool), np.arange(8) != 4])
    with pytest.raises(EvaluationError):
        list(engine.evaluate(spec, masks))
    game = next(iter(engine._games._ledgers.values()))
    assert len(game.look_up(masks)) == 2
    assert np.isfinite(game.look_up(masks)[1]).all()
