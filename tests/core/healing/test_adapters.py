"""Low-rank additions against peft's own merge and plain transformers, in float32."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPTNeoXConfig, MambaConfig, MixtralConfig, PreTrainedConfig

from benchmarks.byte_tokenizer import save_tokenizer
from core.checkpoint.checkpoint import locate
from core.compensation.projections import patched
from core.errors import QuorumError
from core.export.export import export
from core.healing.adapters import Adapters, check_healing, matrices
from core.model.masked import playing
from core.model.model import LoadedModel, load
from core.records.mends import Heal
from core.records.spec import TextSpec
from core.text.corpora import read
from core.text.windows import cut
from tests.support.models import CONFIGS, LAYERS, SMALL, randomised, recipe_of

peft = pytest.importorskip("peft")

REMOVED = (2, 3, 6)
MASK = ~np.isin(np.arange(LAYERS), REMOVED)
IDS = torch.arange(24).view(2, 12) * 5 % 251
FAMILIES: dict[str, Callable[[], PreTrainedConfig]] = {
    **CONFIGS,
    "neox": lambda: GPTNeoXConfig(**SMALL),
    "mixtral": lambda: MixtralConfig(**SMALL, num_local_experts=3),
}


def loaded_of(folder: Path, config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> LoadedModel:
    torch.manual_seed(0)
    randomised(AutoModelForCausalLM.from_config(config, dtype=torch.float32)).to(dtype).save_pretrained(folder)
    save_tokenizer(folder)
    return load(locate(str(folder)), "float32", "cpu")


def moved(adapters: Adapters) -> None:
    """Additions that change the model much."""
    generator = torch.Generator().manual_seed(1)
    adapters.put({name: 0.2 * torch.randn(w.shape, generator=generator) for name, w in adapters.weights.items()})


@pytest.mark.parametrize("family", FAMILIES)
def test_an_export_has_the_logits_of_the_masked_model_with_its_additions(
    family: str, tmp_path: Path, text_file: Path
) -> None:
    loaded = loaded_of(tmp_path / "parent", FAMILIES[family]())
    check_healing(loaded, MASK)
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    adapters = Adapters(loaded, MASK, {}, Heal())
    with torch.no_grad(), playing(loaded, MASK):
        plain = loaded.model(input_ids=IDS, use_cache=False).logits
        with adapters.working(training=False) as model:
            assert torch.equal(model(input_ids=IDS, use_cache=False).logits, plain), "they begin as zero"
    moved(adapters)
    with torch.no_grad(), adapters.working(training=False) as model:
        wanted = model(input_ids=IDS, use_cache=False).logits
    assert not torch.allclose(wanted, plain, atol=0.1)
    after = loaded.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert all(weight.requires_grad for weight in loaded.model.parameters()), "left as found"

    spec = TextSpec(str(text_file), "evaluation", 16, 4)
    windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, spec)
    export(loaded, windows, recipe_of(loaded, REMOVED), tmp_path / "small", fit=(None, adapters.merged()))
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "small", dtype=torch.float32).eval()
    with torch.no_grad():
        found = exported(input_ids=IDS, use_cache=False).logits
    assert torch.allclose(found, wanted, atol=1e-4), float((found - wanted).abs().max())


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_merged_weights_are_those_of_pefts_own_merge(family: str, tmp_path: Path, text_file: Path) -> None:
    loaded = loaded_of(tmp_path / "parent", CONFIGS[family]())
    adapters = Adapters(loaded, MASK, {}, Heal())
    moved(adapters)
    spec = TextSpec(str(text_file), "evaluation", 16, 4)
    windows = cut(read(str(text_file), "evaluation"), loaded.checkpoint.tokenizer, spec)
    for out, fit in (("plain", None), ("healed", (None, adapters.merged()))):
        export(loaded, windows, recipe_of(loaded, REMOVED), tmp_path / out, fit=fit)
    base, healed = (
        AutoModelForCausalLM.from_pretrained(tmp_path / out, dtype=torch.float32) for out in ("plain", "healed")
    )
    number = {str(old): str(new) for new, old in enumerate(np.flatnonzero(MASK))}
    at = loaded.blocks.path.count(".") + 1
    own = {}
    for name, weight in adapters.weights.items():
        parts = name.split(".")
        parts[at] = number[parts[at]]
        own[".".join(["base_model.model", *parts, "weight"])] = weight
    targets = [name.removeprefix("base_model.model.").rpartition(".lora_")[0] for name in own]
    tuned = peft.get_peft_model(base, peft.LoraConfig(r=8, lora_alpha=16, target_modules=targets))
    loading = peft.set_peft_model_state_dict(tuned, own)
    assert not loading.unexpected_keys
    merged = tuned.merge_and_unload().state_dict()
    found = healed.state_dict()
    assert merged.keys() == found.keys()
    assert all(torch.equal(found[name], merged[name]) for name in found)


def test_additions_are_on_top_of_a_compensation(tmp_path: Path) -> None:
    loaded = loaded_of(tmp_path, CONFIGS["llama"]())
    name = "model.layers.1.mlp.down_proj.weight"
    patches = {name: loaded.model.get_parameter(name).detach() + 0.5}
    adapters = Adapters(loaded, MASK, patches, Heal())
    moved(adapters)
    merged = adapters.merged()
    with torch.no_grad():
        with adapters.working(training=False) as model:
            wanted = model(input_ids=IDS, use_cache=False).logits
        with playing(loaded, MASK), patched(loaded.model, merged):
            assert torch.allclose(loaded.model(input_ids=IDS, use_cache=False).logits, wanted, atol=1e-4)
    alone = Adapters(loaded, MASK, {}, Heal())
    moved(alone)
    assert torch.allclose(merged[name] - alone.merged()[name], torch.tensor(0.5), atol=1e-6)


def test_the_matrices_are_the_seven_of_a_llama_in_blocks_that_stay(tiny_loaded: LoadedModel) -> None:
    names = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"}
    names |= {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}
    stay = np.flatnonzero(MASK)
    assert set(matrices(tiny_loaded, MASK)) == {f"model.layers.{block}.{name}" for block in stay for name in names}


def test_what_cannot_be_healed_is_refused_by_name(tiny: Path, tmp_path: Path) -> None:
    halves = load(locate(str(tiny)), "float32", "cpu").played_by(
        tuple(f"{i}{half}" for i in range(LAYERS) for half in "am")
    )
    half = np.arange(2 * LAYERS) != 3
    sixteen = load(locate(str(tiny)), "float16", "cpu")
    mamba = {key: SMALL[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers")}
    recurrent = loaded_of(tmp_path, MambaConfig(**mamba, state_size=4))
    for loaded, mask, words in ((halves, half, "only half"), (sixteen, MASK, "float16"), (recurrent, MASK, "Mamba")):
        with pytest.raises(QuorumError, match=words):
            check_healing(loaded, mask)
