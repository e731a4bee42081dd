"""The GGUF file of an export, read by packages that know nothing of Quorum, and run by llama.cpp."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PersimmonConfig

from cache.database import Database
from cache.store import Store
from core.checkpoint.checkpoint import locate
from core.coalitions.players import players_of
from core.errors import ToolError
from core.evaluate.reference import sequence_losses
from core.export.recipes.recipe_file import read_recipe
from core.model.model import LoadedModel, load
from core.records.events import Exported
from core.records.mends import Compensate
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.text.corpora import read
from core.text.windows import cut
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.models import LAYERS, SMALL, recipe_of, save_model

REMOVED = (0, 3, 4)
NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def exported(
    model: Path, text: Path, out: Path, players: str = "block", removed: tuple[int, ...] = REMOVED, fit: bool = False
) -> Exported:
    spec = RunSpec(str(model), str(text), sequences=2, window=16, dtype="float32", device="cpu", players=players)
    loaded = load(locate(str(model)), "float32", "cpu")
    loaded = loaded.played_by(players_of(LAYERS, players, ()))
    compensate = Compensate("refit", 16) if fit else None
    recipe = replace(recipe_of(loaded, removed), spec=spec, compensate=compensate, gguf=True)
    *_, done = Engine(Store(Database(out.parent / "results.duckdb"))).export(recipe, out)
    assert isinstance(done, Exported)
    return done


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a projection (heads x width, inputs) in ggml's order: halves of a head that rotate together alternate."""
    width = len(weight) // heads
    order = [head * width + half * (width // 2) + row for head in range(heads) for row in range(width // 2)
             for half in (0, 1)]  # fmt: skip
    return weight[order]


@pytest.mark.parametrize("kind", ["blocks", "halves", "refit"])
def test_tensors_are_the_exported_ones_in_half_precision(
    kind: str, converter: Path, known: Path, text_file: Path, tmp_path: Path
) -> None:
    options = {"blocks": {}, "halves": {"players": "sublayer", "removed": (3, 8, 9)}, "refit": {"fit": True}}[kind]
    done = exported(known, text_file, tmp_path / "small", **options)
    assert done.gguf == str(tmp_path / "small" / "model-f16.gguf")
    weights = {name: weight.numpy() for name, weight in load_file(tmp_path / "small" / "model.safetensors").items()}
    reader, blocks = GGUFReader(done.gguf), LAYERS - (1 if kind == "halves" else len(REMOVED))
    assert len(reader.tensors) == len(weights) == 3 + blocks * len(NAMES)
    for tensor in reader.tensors:
        *block, name = split(tensor.name)
        own = f"model.layers.{block[0]}.{NAMES[name]}" if block else OUTSIDE[name]
        weight = weights.pop(f"{own}.weight")
        if name in ("attn_q", "attn_k"):
            weight = permuted(weight, {"attn_q": 4, "attn_k": 2}[name])
        found = np.asarray(tensor.data)
        assert found.dtype == (np.float32 if weight.ndim == 1 else np.float16)
        assert np.array_equal(found, weight.astype(found.dtype)), tensor.name
        if kind == "halves" and tensor.name == "blk.1.ffn_down.weight":
            assert not found.any(), "half of a block that is gone is an output projection of zeros"
    assert not weights

    config = json.loads((tmp_path / "small" / "config.json").read_text())
    fields = {
        "general.architecture": "llama",
        "llama.block_count": blocks,
        "llama.embedding_length": 32,
        "llama.feed_forward_length": 48,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.context_length": 256,
        "llama.vocab_size": 49_152,
        "llama.attention.layer_norm_rms_epsilon": pytest.approx(config["rms_norm_eps"]),
        "general.file_type": 1,
    }
    assert {name: reader.fields[name].contents() for name in fields} == fields
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "small")
    assert reader.fields["tokenizer.ggml.tokens"].contents() == tokenizer.convert_ids_to_tokens(range(49_152))


def split(name: str) -> list[str]:
    """`3`, `attn_q` of blk.3.attn_q.weight; `output` of output.weight."""
    return name.removesuffix(".weight").removeprefix("blk.").split(".")


def test_quorum_measures_the_file_as_the_folder(converter: Path, known: Path, text_file: Path, tmp_path: Path) -> None:
    """What the folder loses to half precision is all that differs."""
    done = exported(known, text_file, tmp_path / "small")
    folder = AutoModelForCausalLM.from_pretrained(tmp_path / "small", dtype=torch.float32).half().float().eval()
    file = load(locate(done.gguf), "float32", "cpu")
    assert len(file.blocks) == LAYERS - len(REMOVED)
    spec = RunSpec(str(known), str(text_file), sequences=2, window=16)
    windows = cut(read(spec.corpus, "evaluation"), file.checkpoint.tokenizer, spec.text("evaluation"))
    with torch.inference_mode():
        logits = folder(input_ids=windows.ids).logits[:, :-1]
    wanted = torch.nn.functional.cross_entropy(logits.transpose(1, 2), windows.ids[:, 1:], reduction="none").mean(1)
    found = sequence_losses(file, windows.ids, np.ones(len(file.blocks), dtype=np.bool_))
    assert np.allclose(found, wanted.numpy(), rtol=1e-5)


def test_the_command_says_it_and_its_recipe_makes_the_same_bytes(
    cli: Cli, finished: Finished, converter: Path, known: Path, text_file: Path, tmp_path: Path
) -> None:
    [run] = finished(RunSpec(str(known), str(text_file), sequences=2, window=16, masks=20, dtype="float32"))
    one, two = tmp_path / "one", tmp_path / "two"
    ask = "export", run, "--remove", "2,5", "--out", one
    status, answer, errors = cli(*ask)
    assert status == 0 and answer["gguf"] is None and not read_recipe(one / "quorum.json").gguf, errors
    status, answer, errors = cli(*ask, "--format", "gguf")  # what is there already stays, and gets its file
    assert status == 0 and answer["gguf"] == str(one / "model-f16.gguf"), errors
    assert "Writing one as a GGUF file" in errors
    written = (one / "model-f16.gguf").stat()
    status, answer, errors = cli(*ask, "--format", "gguf")
    assert status == 0 and (one / "model-f16.gguf").stat() == written and "as a GGUF file" not in errors

    status, again, errors = cli("export", "--recipe", one / "quorum.json", "--out", two)
    assert status == 0 and again["gguf"] == str(two / "model-f16.gguf"), errors
    names = sorted(file.name for file in one.iterdir())
    assert names == sorted(file.name for file in two.iterdir())
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names)
    told = json.loads((one / "quorum.json").read_text())["gguf"]
    assert told["bytes"] == written.st_size and told["sha256"] in (one / "README.md").read_text()

    with (one / "model-f16.gguf").open("r+b") as file:  # somebody has changed it: it is written anew
        file.write(b"other")
    assert cli(*ask, "--format", "gguf")[0] == 0
    assert (one / "model-f16.gguf").read_bytes() == (two / "model-f16.gguf").read_bytes()
    plain = cli("export", "--recipe", one / "quorum.json", "--format", "safetensors", "--out", tmp_path / "three")
    assert plain[1]["gguf"] is None and not (tmp_path / "three" / "model-f16.gguf").exists()


def test_a_tokenizer_that_the_converter_does_not_know(converter: Path, text_file: Path, tmp_path: Path) -> None:
    """The folder stays, and the error ends as the converter does."""
    with pytest.raises(ToolError, match=r"NotImplementedError: BPE pre-tokenizer was not recognized") as refused:
        exported(save_model(tmp_path / "bytes"), text_file, tmp_path / "small")
    assert f"{tmp_path / 'small'} is whole" in refused.value.hint
    assert_plain_folder(tmp_path / "small")


def test_an_architecture_that_the_converter_does_not_know(converter: Path, known: Path, text_file: Path) -> None:
    config = PersimmonConfig(**{**SMALL, "vocab_size": 49_152}, tie_word_embeddings=False)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(known)
    with pytest.raises(ToolError, match="Model PersimmonForCausalLM is not supported"):
        exported(known, text_file, known.parent / "small")
    assert_plain_folder(known.parent / "small")


def assert_plain_folder(folder: Path) -> None:
    assert AutoModelForCausalLM.from_pretrained(folder).config.num_hidden_layers == LAYERS - len(REMOVED)
    assert "gguf" not in json.loads((folder / "quorum.json").read_text())
    assert not [part for part in folder.iterdir() if part.name.startswith(".") or part.suffix == ".gguf"]


def test_llama_cpp_writes_the_same_tokens(converter: Path, tmp_path: Path) -> None:
    """The bundled model without three layers: 24 tokens, each the most likely one, and their probabilities."""
    llama = pytest.importorskip("xllamacpp", reason="pip install -r requirements-llama-cpp.txt")
    loaded: LoadedModel = load(locate("bundled"), "float32", "cpu")
    recipe = replace(recipe_of(loaded, (12, 13, 14)), gguf=True)
    spec = RunSpec("bundled", "python-docs", sequences=1, window=32, dtype="float32", device="cpu")
    engine = Engine(Store(Database(tmp_path / "results.duckdb")))
    *_, done = engine.export(replace(recipe, spec=spec), tmp_path / "small")
    assert isinstance(done, Exported)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "small", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "small")
    options = llama.CommonParams()
    options.model.path, options.n_ctx, options.n_parallel, options.warmup = done.gguf, 256, 1, False
    options.cpuparams.n_threads = 1
    server = llama.Server(options)
    for prompt in ("The capital of France is", "def add(a, b):\n    return", "Once upon a time"):
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        kept = {"max_new_tokens": 24, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
        wanted = model.generate(ids, **kept)[0, ids.shape[1] :].tolist()
        ask = {"prompt": ids[0].tolist(), "max_tokens": 24, "temperature": 0, "top_k": 1, "ignore_eos": True}
        answer = server.handle_completions({**ask, "logprobs": 1})
        words = answer["choices"][0]["logprobs"]["content"]
        assert [word["id"] for word in words] == wanted, prompt
        with torch.inference_mode():
            logits = model(torch.cat([ids[0], torch.tensor(wanted)])[None]).logits[0, ids.shape[1] - 1 : -1]
        ours = logits.log_softmax(-1)[range(24), wanted].numpy()
        assert np.abs(ours - [word["logprob"] for word in words]).max() < 0.05
