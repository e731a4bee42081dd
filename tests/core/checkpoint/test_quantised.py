"""Quantised checkpoints: refused before loading where their library cannot run, evaluated as they are where it can."""

import copy
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM, TorchAoConfig

from benchmarks.byte_tokenizer import save_tokenizer
from cache.database import Database
from cache.keys import game_key
from cache.store import Store
from core.baselines.compare import Match
from core.baselines.criteria import check_plain_weights
from core.checkpoint import quantisation as checked
from core.checkpoint.checkpoint import locate
from core.checkpoint.quantisation import quantisation
from core.checkpoint.size import shape_of
from core.coalitions.masks import without
from core.coalitions.players import players_of
from core.errors import ExportError, ModelError, SelectionError, UnsupportedModel
from core.evaluate.evaluator import Evaluator
from core.evaluate.precision import comparable
from core.evaluate.reference import sequence_losses
from core.export.delete_blocks import delete_blocks
from core.export.export import export
from core.model.model import LoadedModel, load
from core.records.events import Compared
from core.records.spec import RunSpec, TextSpec
from core.run.engine import Engine
from core.speed.generating import generation
from core.speed.shared_copy import shared_copy
from core.text.corpora import read
from core.text.windows import cut
from tests.support.models import SMALL, recipe_of


def bitsandbytes(**options: Any) -> Any:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed: pip install bitsandbytes")
    return BitsAndBytesConfig(**options)


def torchao() -> Any:
    quantization = pytest.importorskip("torchao.quantization", reason="torchao is not installed: pip install torchao")
    return TorchAoConfig(quantization.Int8WeightOnlyConfig())


METHODS: dict[str, Callable[[], Any]] = {
    "bitsandbytes 4-bit": lambda: bitsandbytes(load_in_4bit=True, bnb_4bit_compute_dtype=torch.float32),
    "bitsandbytes 8-bit": lambda: bitsandbytes(load_in_8bit=True),
    "torchao": torchao,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A Llama of eight layers whose matrices are whole numbers of the libraries' blocks."""
    torch.manual_seed(0)
    config = LlamaConfig(**{**SMALL, "hidden_size": 64, "intermediate_size": 128}, tie_word_embeddings=True)
    folder = tmp_path_factory.mktemp("plain")
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    save_tokenizer(folder)
    return load(locate(str(folder)), "float32", "cpu")


@pytest.fixture(scope="module", params=METHODS)
def quantised(
    request: pytest.FixtureRequest, plain: LoadedModel, tmp_path_factory: pytest.TempPathFactory
) -> LoadedModel:
    """The small Llama as its library saves and loads it."""
    how = METHODS[request.param]()
    folder = tmp_path_factory.mktemp("quantised")
    AutoModelForCausalLM.from_pretrained(
        plain.checkpoint.folder, quantization_config=how, device_map="cpu"
    ).save_pretrained(folder)
    save_tokenizer(folder)
    loaded = load(locate(str(folder)), "float32", "cpu")
    assert loaded.info.quantisation == request.param
    return loaded


def test_it_is_evaluated_as_it_is(quantised: LoadedModel, plain: LoadedModel) -> None:
    """Skipping equals deleting the blocks from the very model that transformers loads, and is not the plain model."""
    ids = torch.randint(0, 256, (3, 20))
    masks = np.random.default_rng(0).random((6, 8)) < 0.7
    for row, losses in Evaluator(quantised, ids).losses(masks):
        model = AutoModelForCausalLM.from_pretrained(quantised.checkpoint.folder, dtype=torch.float32).eval()
        kept = [block for block, keep in zip(model.model.layers, masks[row], strict=True) if keep]
        model.model.layers = torch.nn.ModuleList(kept)
        with torch.inference_mode():
            logits = model(ids, use_cache=False).logits
        theirs = [torch.nn.functional.cross_entropy(one[:-1], text[1:]) for one, text in zip(logits, ids, strict=True)]
        assert losses == pytest.approx(torch.stack(theirs).numpy(), rel=1e-4)
        assert not np.array_equal(losses, sequence_losses(plain, ids, masks[row]))


def test_it_has_the_parameters_of_the_plain_model(quantised: LoadedModel, plain: LoadedModel) -> None:
    assert quantised.info.parameters == plain.info.parameters
    assert quantised.layer_parameters == plain.layer_parameters
    shape = shape_of(str(quantised.checkpoint.folder))
    assert shape is not None
    assert shape.parameters == pytest.approx(plain.info.parameters, rel=0.1)  # scales are counted too
    assert shape.weights("float32") < 4 * plain.info.parameters


def test_it_is_another_game_and_has_no_float32_twin(quantised: LoadedModel, text_file: Path) -> None:
    windows = cut(read(str(text_file), "calibration"), quantised.checkpoint.tokenizer, text(text_file))
    dequantised = replace(quantised.info, quantisation="")
    assert game_key(quantised.info, windows.protocol) != game_key(dequantised, windows.protocol)
    assert not comparable(replace(quantised, info=replace(quantised.info, dtype="bfloat16")))


def test_criteria_of_weights_say_why_they_cannot(quantised: LoadedModel) -> None:
    with pytest.raises(SelectionError, match="quantised"):
        check_plain_weights(quantised)


def test_its_layers_are_ranked(quantised: LoadedModel, text_file: Path, cache_file: Path) -> None:
    """By every method that looks at outputs; those that look at weights are refused before anything is measured."""
    spec = RunSpec(model=str(quantised.checkpoint.folder), corpus=str(text_file), sequences=2, window=16)
    engine = Engine(Store(Database(cache_file)))
    with pytest.raises(SelectionError, match="quantised"):
        list(engine.compare(spec, Match(("shortgpt", "taylor+"), (2,))))
    compared = list(engine.compare(spec, Match(("shortgpt", "one-shot"), (2,))))[-1]
    assert isinstance(compared, Compared)
    assert compared.comparison.model.quantisation == quantised.info.quantisation
    assert all(len(method.plans[0].removed) == 2 for method in compared.comparison.methods)


def test_whole_layers_are_exported_and_halves_refused(quantised: LoadedModel, text_file: Path, tmp_path: Path) -> None:
    """Plain transformers loads the export, with the quantised weights that were kept."""
    windows = cut(read(str(text_file), "evaluation"), quantised.checkpoint.tokenizer, text(text_file))
    halves = quantised.played_by(players_of(8, "sublayer"))
    with pytest.raises(ExportError, match=quantised.info.quantisation):
        export(halves, windows, recipe_of(halves, (2,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    if quantised.info.quantisation.startswith("torchao"):  # its files say in another place what each tensor is
        with pytest.raises(ExportError, match="metadata of its own"):
            export(quantised, windows, recipe_of(quantised, (2, 5)), tmp_path / "out")
        return
    losses = export(quantised, windows, recipe_of(quantised, (2, 5)), tmp_path / "out").losses
    mask = np.array([layer not in (2, 5) for layer in range(8)])
    assert losses == pytest.approx(sequence_losses(quantised, windows.ids, mask), rel=1e-5)
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert again.is_quantized and len(again.model.layers) == 6


def test_it_writes_from_its_packed_weights_while_it_is_timed(quantised: LoadedModel) -> None:
    """As plain transformers writes once the blocks are deleted from a copy that shares nothing."""
    mask, ids = without(8, (0, 3)), torch.arange(10)[None]
    theirs = copy.deepcopy(quantised.model)
    delete_blocks(theirs, quantised.blocks.path, mask)
    smaller = shared_copy(quantised, mask)
    assert {one.data_ptr() for one in smaller.parameters()} < {one.data_ptr() for one in quantised.model.parameters()}
    wanted = theirs.generate(ids, max_new_tokens=5, min_new_tokens=5, do_sample=False)
    assert generation(smaller, ids, 5).ids.tolist() == wanted.tolist()


def text(file: Path) -> TextSpec:
    return TextSpec(str(file), "evaluation", 16, 4)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptqmodel"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "gptqmodel"),
        ({"quant_method": "hqq", "quant_config": {}}, "hqq"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
        ({"quant_method": "of-its-own"}, "of-its-own"),
        ({"quant_method": "quanto", "weights": "int8"}, "optimum-quanto"),
    ],
)
def test_what_cannot_run_here_is_refused_before_its_weights_are_read(
    config: dict[str, Any], names: str, tiny: Path, tmp_path: Path
) -> None:
    with suppress(PackageNotFoundError):
        pytest.skip(f"{names} {version(names)} is installed")
    plain = json.loads((tiny / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**plain, "quantization_config": config}))
    save_file({"packed": torch.zeros(1)}, tmp_path / "model.safetensors")  # to be read only if the method were known
    with pytest.raises(UnsupportedModel) as refused:
        load(locate(str(tmp_path)), "float32", "cpu")
    assert config["quant_method"] in refused.value.message and names in str(refused.value)


def test_fp8_is_dequantised_on_a_processor(tiny: Path) -> None:
    """transformers does so where there are no kernels: the weights are plain then."""
    checkpoint = locate(str(tiny))
    checkpoint.config.quantization_config = {"quant_method": "fp8", "weight_block_size": [32, 32]}
    assert quantisation("it", checkpoint.config, "cpu") == ""
    assert checkpoint.config.quantization_config["quant_method"] == "fp8"


def test_quantised_weights_are_not_offloaded(quantised: LoadedModel) -> None:
    with pytest.raises(ModelError, match="must lie on the device"):
        load(quantised.checkpoint, "float32", "offload")


def test_what_a_library_says_of_the_hub_ends_with_its_import(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As tokenicer does, which comes with gptqmodel: the next process looks where this one does all the same."""
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    seen: list[str] = []

    def importing(then: Callable[..., Any], *given: Any, **named: Any) -> Any:
        os.environ["HF_HUB_CACHE"] = "/its"
        seen.append(then.__name__)
        return then(*given, **named)

    checkpoint = locate(str(tiny))
    build = checked.get_hf_quantizer
    monkeypatch.setattr(checked, "get_hf_quantizer", partial(importing, build))
    read = LlamaForCausalLM.from_pretrained
    monkeypatch.setattr(LlamaForCausalLM, "from_pretrained", partial(importing, read))
    assert load(checkpoint, "float32", "cpu")
    checkpoint.config.quantization_config = {"quant_method": "fp8", "weight_block_size": [32, 32]}
    assert quantisation("it", checkpoint.config, "cpu") == ""
    assert seen == ["from_pretrained", "get_hf_quantizer"] and "HF_HUB_CACHE" not in os.environ
