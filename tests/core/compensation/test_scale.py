"""Through which parameters what a block adds is divided: found by looking, in every dtype."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, Glm4Config, GptOssConfig, Olmo2Config, PreTrainedConfig, RwkvConfig

from benchmarks.byte_tokenizer import save_tokenizer
from core.checkpoint.checkpoint import locate
from core.compensation.scale import divided, divisible
from core.errors import UnsupportedModel
from core.model.model import load
from tests.support.models import CONFIGS, LAYERS, SMALL, randomised

OPEN = {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 8}
FOUND: dict[str, tuple[Callable[[], PreTrainedConfig], set[str]]] = {
    "llama": (CONFIGS["llama"], {"self_attn.o_proj.weight", "mlp.down_proj.weight"}),
    "gpt2": (
        CONFIGS["gpt2"],
        {"attn.c_proj.weight", "attn.c_proj.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"},
    ),
    "norms behind": (
        lambda: Glm4Config(**SMALL, head_dim=8),
        {"post_self_attn_layernorm.weight", "post_mlp_layernorm.weight"},
    ),
    "experts with biases": (
        lambda: GptOssConfig(**SMALL, **OPEN),
        {"self_attn.o_proj.weight", "self_attn.o_proj.bias", "mlp.experts.down_proj", "mlp.experts.down_proj_bias"},
    ),
    "a gate behind": (
        lambda: RwkvConfig(vocab_size=258, hidden_size=32, num_hidden_layers=LAYERS, attention_hidden_size=32),
        {"attention.output.weight", "feed_forward.value.weight"},
    ),
}


def folder_of(folder: Path, config: PreTrainedConfig, *, zero: str = "", biases: float = 0.1) -> Path:
    """A random model, of which some weights are zero: they are of those whose names hold that."""
    torch.manual_seed(0)
    model = randomised(AutoModelForCausalLM.from_config(config, dtype=torch.float32))
    for name, value in model.named_parameters():
        if name.endswith("bias"):
            value.data.normal_(0, biases)
        if zero and zero in name:
            value.data.zero_()
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.mark.parametrize("biases", [0, 0.003, 0.1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("family", FOUND)
def test_what_is_found(family: str, dtype: str, biases: float, tmp_path: Path) -> None:
    config, names = FOUND[family]
    loaded = load(locate(str(folder_of(tmp_path, config(), biases=biases))), dtype, "cpu")
    if family == "a gate behind" and dtype == "float16":
        with pytest.raises(UnsupportedModel, match="halves its hidden state between blocks in float16"):
            divisible(loaded, [2, 5])
        return
    own = {name: value.clone() for name, value in loaded.model.named_parameters()}
    found = divisible(loaded, [2, 5])
    assert {block: set(of) for block, of in found.items()} == {
        block: {f"{loaded.blocks.path}.{block}.{name}" for name in names if biases or not name.endswith("_bias")}
        for block in (2, 5)
    }
    assert all(torch.equal(own[name], value) for name, value in loaded.model.named_parameters()), "left as found"
    for name, value in divided(loaded, found[2], 4).items():
        assert torch.allclose(4 * value, own[name], atol=1e-6) and value.dtype == own[name].dtype


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("weight", [0, 1.5, 6])
def test_a_norm_whose_factor_is_one_more_than_its_weight_is_refused(dtype: str, weight: float, tmp_path: Path) -> None:
    """In every dtype, however small that one is beside the weight."""
    loaded = load(locate(str(folder_of(tmp_path, CONFIGS["gemma3"]()))), dtype, "cpu")
    for name, value in loaded.model.named_parameters():
        if "post_" in name:
            value.data.fill_(weight)
    with pytest.raises(
        UnsupportedModel,
        match="attention of block 2 adds is linear in no parameters found, or",
    ):
        divisible(loaded, [2])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_blocks_that_read_the_hidden_state_without_a_norm_are_refused(dtype: str, tmp_path: Path) -> None:
    """Nearly a multiple of it where activations are small; and not what a scale takes it for."""
    loaded = load(locate(str(folder_of(tmp_path, Olmo2Config(**SMALL)))), dtype, "cpu")
    with pytest.raises(UnsupportedModel, match="MLP of block 2 adds is linear in no parameters found, or depends on"):
        divisible(loaded, [2])


@pytest.mark.parametrize("zero", ["layers.2.self_attn.o_proj", "layers.2.mlp.down_proj", "layers.2."])
def test_what_adds_nothing_is_divided_as_well(zero: str, tmp_path: Path) -> None:
    """As in a model that lost a half of a block."""
    loaded = load(locate(str(folder_of(tmp_path, CONFIGS["llama"](), zero=zero))), "float32", "cpu")
    names = {f"model.layers.2.{name}.weight" for name in ("self_attn.o_proj", "mlp.down_proj")}
    assert set(divisible(loaded, [2])[2]) == names


def test_weights_that_are_used_elsewhere_are_refused(tmp_path: Path) -> None:
    """By a block that is not asked about, too: it would be divided with them."""
    loaded = load(locate(str(folder_of(tmp_path, CONFIGS["llama"]()))), "float32", "cpu")
    loaded.blocks.modules[5].mlp.down_proj.weight = loaded.blocks.modules[2].mlp.down_proj.weight
    for asked in ([2, 5], [5]):
        with pytest.raises(UnsupportedModel, match="some weights through which blocks add are used elsewhere, too"):
            divisible(loaded, asked)
    assert divisible(loaded, [3, 4]).keys() == {3, 4}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_channels_that_are_very_large_hide_nothing(dtype: str, tmp_path: Path) -> None:
    """As in every trained model: what a block adds to them is less than their last digit."""
    loaded = load(locate(str(folder_of(tmp_path, CONFIGS["llama"]()))), dtype, "cpu")
    loaded.model.get_input_embeddings().weight.data[:, 3] = 30_000
    assert all(len(names) == 2 for names in divisible(loaded, range(1, LAYERS)).values())
