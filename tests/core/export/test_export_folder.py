"""What an exported folder holds: the parent's weights bit by bit, what goes along, and where it all came from."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    MixtralConfig,
    PreTrainedTokenizerBase,
)

from benchmarks.byte_tokenizer import save_tokenizer
from core.checkpoint.checkpoint import locate
from core.errors import ExportError
from core.export.copy_weights import write_weights
from core.export.export import export
from core.model.model import LoadedModel, load
from core.records.spec import TextSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.models import LAYERS, SMALL, recipe_of, save_model

REMOVED = (0, 3, 4)
MASK = ~np.isin(np.arange(LAYERS), REMOVED)


def exported(folder: Path, text: Path, out: Path, dtype: str = "float32") -> LoadedModel:
    """The whole model, after its export to `out`."""
    loaded = load(locate(str(folder)), dtype, "cpu")
    windows = cut(read(str(text), "evaluation"), loaded.checkpoint.tokenizer, TextSpec(str(text), "evaluation", 16, 4))
    export(loaded, windows, recipe_of(loaded, REMOVED), out)
    return loaded


def old_name(name: str, prefix: str = "model.layers.") -> str:
    """The parent's name of a tensor of the smaller model."""
    if not name.startswith(prefix):
        return name
    block, _, rest = name.removeprefix(prefix).partition(".")
    return f"{prefix}{np.flatnonzero(MASK)[int(block)]}.{rest}"


def test_what_goes_along(tmp_path: Path, text_file: Path) -> None:
    """In bfloat16, measured in float32: dtype, tied head, generation, tokenizer, both chat templates, licence."""
    parent, out = tmp_path / "parent", tmp_path / "out"
    save_model(parent)
    AutoModelForCausalLM.from_pretrained(parent, dtype=torch.bfloat16).save_pretrained(parent)
    GenerationConfig(temperature=0.3, do_sample=True, eos_token_id=257).save_pretrained(parent)
    tokenizer = AutoTokenizer.from_pretrained(parent)
    tokenizer.chat_template = {"default": "{{ messages[0].content }}!", "tool": "{{ messages | length }}"}
    tokenizer.save_pretrained(parent)
    (parent / "LICENSE.md").write_text("Do as you like.")
    loaded = exported(parent, text_file, out)

    before, after = load_file(parent / "model.safetensors"), load_file(out / "model.safetensors")
    assert {old_name(name) for name in after} == {
        name for name in before if not any(f".layers.{layer}." in name for layer in REMOVED)
    }
    assert all(torch.equal(weight, before[old_name(name)]) for name, weight in after.items())
    assert {weight.dtype for weight in after.values()} == {torch.bfloat16} and "lm_head.weight" not in after
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.dtype == torch.bfloat16 and model.lm_head.weight is model.model.embed_tokens.weight
    assert (model.generation_config.temperature, model.generation_config.eos_token_id) == (0.3, 257)
    assert [layer.self_attn.layer_idx for layer in model.model.layers] == list(range(5))
    found = AutoTokenizer.from_pretrained(out)
    assert isinstance(found, PreTrainedTokenizerBase)
    assert found.chat_template == tokenizer.chat_template and found.get_vocab() == tokenizer.get_vocab()
    assert (out / "LICENSE.md").read_text() == "Do as you like."

    text = (out / "README.md").read_text()
    front, origin = yaml.safe_load(text.split("---\n")[1]), json.loads((out / "quorum.json").read_text())
    assert front["library_name"] == "transformers" and "base_model" not in front, "a folder is not on the Hub"
    assert origin["parameters"] == model.num_parameters() < loaded.info.parameters
    for said in (f"{origin['parameters']:,}", "0, 3, 4", "LICENSE.md", f"{origin['dense_perplexity']:.3f}", "export"):
        assert said in text
    whole, draft = (AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in (parent, out))
    [line] = [line for line in text.splitlines() if "assistant_model=" in line]
    inputs = tokenizer("The 7th", return_tensors="pt")
    written = eval(line, {"parent": whole, "draft": draft, "inputs": inputs})
    assert torch.equal(written, whole.generate(**inputs, do_sample=False))
    ids = cut(read(str(text_file), "evaluation"), found, TextSpec(str(text_file), "evaluation", 16, 4)).ids
    for key, source in (("dense_perplexity", parent), ("perplexity", out)):
        plain = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
        with torch.inference_mode():
            loss = plain(input_ids=ids, labels=ids).loss.item()
        assert origin[key] == pytest.approx(np.exp(loss), rel=1e-4)


def test_shards(tiny: Path, tmp_path: Path) -> None:
    """Files of a limited size, an index that transformers follows, and every tensor at a multiple of its item."""
    write_weights(tiny, tmp_path, "model.layers", np.ones(LAYERS, dtype=np.bool_), shard=50_000)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) > 2 and all(file.stat().st_size < 55_000 for file in files)
    for name in ("config.json", "generation_config.json"):
        shutil.copy(tiny / name, tmp_path)
    found = AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in load_file(tiny / "model.safetensors").items())


def test_experts_are_not_taken_for_layers(tmp_path: Path, text_file: Path) -> None:
    """As many experts as layers, and files in which each expert has its own tensors."""
    parent, out = tmp_path / "parent", tmp_path / "out"
    torch.manual_seed(0)
    config = MixtralConfig(**SMALL, num_local_experts=LAYERS, num_experts_per_tok=2)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(parent)
    save_tokenizer(parent)
    assert any(".experts.7." in name for name in load_file(parent / "model.safetensors"))
    exported(parent, text_file, out)
    before, after = load_file(parent / "model.safetensors"), load_file(out / "model.safetensors")
    assert all(torch.equal(weight, before[old_name(name)]) for name, weight in after.items())
    assert len(after) < len(before)


def test_files_with_other_names_than_the_model(tmp_path: Path, text_file: Path) -> None:
    """GPT-2's first files leave out `transformer.`; others hold blocks past the last one, which nothing loads."""
    parent, out = tmp_path / "parent", tmp_path / "out"
    save_model(parent, "gpt2")
    weights = load_file(parent / "model.safetensors")
    short = {name.removeprefix("transformer."): weight for name, weight in weights.items()}
    save_file({**short, "h.8.extra.weight": torch.zeros(3)}, parent / "model.safetensors", metadata={"format": "pt"})
    exported(parent, text_file, out)
    after = load_file(out / "model.safetensors")
    assert all(torch.equal(weight, short[old_name(name, "h.")]) for name, weight in after.items())
    assert not any("extra" in name for name in after)


def test_names_that_say_nothing(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(ExportError, match="which of the 8 blocks"):
        write_weights(tmp_path, tmp_path, "model.layers", MASK)


def test_code_is_not_named_by_an_export(tmp_path: Path, text_file: Path) -> None:
    """An architecture of transformers whose configuration names code that was never fetched, as on the Hub."""
    parent, out = tmp_path / "parent", tmp_path / "out"
    save_model(parent)
    config = LlamaConfig.from_pretrained(parent)
    config.auto_map = {"AutoModelForCausalLM": "modeling_own.Own"}
    config.save_pretrained(parent)
    exported(parent, text_file, out)
    assert "auto_map" not in json.loads((out / "config.json").read_text())
    AutoModelForCausalLM.from_pretrained(out)
