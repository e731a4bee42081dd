"""Players other than blocks, on families that differ, against plain forwards of models that were patched by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconConfig,
    GPTNeoXConfig,
    MambaConfig,
    MixtralConfig,
    Olmo2Config,
    OPTConfig,
    PreTrainedConfig,
    Qwen2MoeConfig,
)

from benchmarks.byte_tokenizer import save_tokenizer
from core.checkpoint.checkpoint import locate
from core.coalitions.players import both_halves, dropped, indexes, names, players_of
from core.errors import SelectionError, UnsupportedModel
from core.evaluate.evaluator import Evaluator
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel, load
from core.sampling.strata import stratified
from tests.support.families import save_family
from tests.support.models import CONFIGS, LAYERS, SMALL, randomised

IDS = torch.randint(0, 256, (3, 12), generator=torch.Generator().manual_seed(1))
GPT: dict[str, Any] = {key: value for key, value in SMALL.items() if key != "num_key_value_heads"}

# Residuals in a row and in parallel, norms before and behind, biases, experts and shared experts.
FAMILIES: dict[str, Callable[[], PreTrainedConfig]] = {
    **{family: CONFIGS[family] for family in ("llama", "gpt2", "gemma3")},
    "gpt-neox": lambda: GPTNeoXConfig(**GPT, use_parallel_residual=True),
    "falcon": lambda: FalconConfig(**GPT, parallel_attn=True, new_decoder_architecture=False),
    "bloom": lambda: BloomConfig(vocab_size=258, hidden_size=32, n_layer=LAYERS, n_head=4),
    "opt": lambda: OPTConfig(**{**GPT, "ffn_dim": 32}, word_embed_proj_dim=32),
    "olmo2": lambda: Olmo2Config(**SMALL),
    "mixtral": lambda: MixtralConfig(**SMALL, num_local_experts=4),
    "qwen2-moe": lambda: Qwen2MoeConfig(
        **SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24, shared_expert_intermediate_size=40
    ),
}
# Where a family's own code keeps the two halves of a block, and how each one answers.
MODULES = {
    "gpt2": ("attn", "mlp"),
    "gpt-neox": ("attention", "mlp"),
    "falcon": ("self_attention", "mlp"),
    "bloom": ("self_attention", "mlp"),
    "opt": ("self_attn", "fc2"),
}


def save(folder: Path, config: PreTrainedConfig) -> Path:
    """A random model in which biases matter, too."""
    torch.manual_seed(0)
    model = randomised(AutoModelForCausalLM.from_config(config, dtype=torch.float32))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0, 0.1)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def loaded(family: str, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = save(tmp_path_factory.mktemp(family) / family, FAMILIES[family]())
    return load(locate(str(folder)), "float32", "cpu").played_by(players_of(LAYERS, "sublayer"))


def patched(loaded: LoadedModel, family: str, removed: list[str]) -> nn.Module:
    """The model as transformers reads it, with the modules of some halves made to add nothing to the hidden state."""
    model = AutoModelForCausalLM.from_pretrained(loaded.checkpoint.folder, dtype=torch.float32).eval()

    def silent(module: nn.Module, inside: bool) -> None:
        forward = module.forward

        def answer(*args: Any, **kwargs: Any) -> Any:
            found = forward(*args, **kwargs)
            first = found[0] if isinstance(found, tuple) else found
            # BLOOM hands the residual to both halves, which add it themselves: it is their second argument.
            nothing = args[1] if inside else torch.zeros_like(first)
            return (nothing, *found[1:]) if isinstance(found, tuple) else nothing

        module.forward = answer

    for name in removed:
        block = model.get_submodule(loaded.blocks.path)[int(name[:-1])]
        silent(getattr(block, MODULES.get(family, ("self_attn", "mlp"))["am".index(name[-1])]), family == "bloom")
    return model


def plain(model: nn.Module) -> np.ndarray:
    with torch.inference_mode():
        return np.array([model(input_ids=one[None], labels=one[None], use_cache=False).loss.item() for one in IDS])


def test_halves_are_those_of_patched_modules(loaded: LoadedModel, family: str) -> None:
    players = loaded.info.players
    whole = plain(patched(loaded, family, []))
    for removed in (["2a"], ["0a", "5m", "7a"], ["1a", "1m", "4m"]):
        mask = ~np.isin(players, removed)
        expected = plain(patched(loaded, family, removed))
        np.testing.assert_allclose(sequence_losses(loaded, IDS, mask), expected, rtol=1e-5)
        assert np.abs(expected - whole).max() > 1e-3  # the half matters, so that agreement means something


def test_prefixes_of_halves_change_nothing(loaded: LoadedModel) -> None:
    masks = np.concatenate([stratified(2 * LAYERS, (14, 11, 8, 3), 8, 0), np.ones((1, 2 * LAYERS), bool)])
    found = dict(Evaluator(loaded, IDS).losses(masks))
    alone = Evaluator(loaded, IDS, states=0)
    for row, mask in enumerate(masks):
        np.testing.assert_allclose(found[row], sequence_losses(loaded, IDS, mask), rtol=1e-5)
        if row % 4 == 0:
            np.testing.assert_allclose(next(alone.losses(mask[None]))[1], found[row], rtol=1e-5)
            np.testing.assert_allclose(next(alone.with_divergences(mask[None]))[1][0], found[row], rtol=1e-5)


def test_groups_and_both_halves_are_blocks(loaded: LoadedModel) -> None:
    """One set of blocks, switched off by players of three kinds: the same losses to the last bit."""
    info = loaded.info
    for kind, protect in (("block", ()), ("group:2", ()), ("group:3", (0, 3)), ("sublayer", (1,))):
        players = players_of(LAYERS, kind, protect)
        removed = indexes(players, ["4-5", "6-7"] if kind != "group:3" else ["4-6"])
        mask = ~np.isin(np.arange(len(players)), removed)
        blocks = dropped(players, LAYERS, removed)
        assert blocks == (((4, 5, 6, 7), ()) if kind != "group:3" else ((4, 5, 6), ()))
        one, other = loaded.played_by(players), loaded.played_by(players_of(LAYERS, "block"))
        expected = sequence_losses(other, IDS, ~np.isin(np.arange(LAYERS), blocks[0]))
        np.testing.assert_array_equal(sequence_losses(one, IDS, mask), expected)
        assert one.parameters_without(removed) == other.parameters_without(blocks[0])
        assert one.model is loaded.model and one.info.fingerprint == info.fingerprint


def test_parameters_of_halves(loaded: LoadedModel) -> None:
    """The halves of a block share its parameters out; one that goes alone leaves all of them in the file."""
    each = [sum(weight.numel() for weight in block.parameters()) for block in loaded.blocks.modules]
    assert np.reshape(loaded.layer_parameters, (LAYERS, 2)).sum(axis=1).tolist() == each
    assert min(loaded.layer_parameters) > 0
    assert loaded.parameters_without(indexes(loaded.info.players, ["3a", "5m"])) == loaded.info.parameters
    both = indexes(loaded.info.players, ["3", "5m"])
    assert loaded.parameters_without(both) == loaded.info.parameters - each[3]


def test_blocks_that_are_one_mixer_have_no_halves(tmp_path: Path) -> None:
    config = MambaConfig(vocab_size=258, hidden_size=32, state_size=8, num_hidden_layers=3)
    loaded = load(locate(str(save(tmp_path / "mamba", config))), "float32", "cpu")
    with pytest.raises(UnsupportedModel, match="one mixer") as refused:
        loaded.played_by(players_of(3, "sublayer"))
    assert "--players block" in refused.value.hint
    assert loaded.played_by(players_of(3, "group:2")).info.players == ("0-1", "2")


@pytest.mark.parametrize(
    ("family", "mixer", "mlp"),
    [
        ("Granite 4", {"mamba", "self_attn"}, {"block_sparse_moe", "shared_mlp"}),
        ("Falcon-H1", {"mamba", "self_attn"}, {"feed_forward"}),
        ("RWKV", {"attention"}, {"feed_forward"}),
    ],
)
def test_what_mixes_tokens_is_no_mlp(family: str, mixer: set[str], mlp: set[str], tmp_path: Path) -> None:
    """Experts beside an MLP, two mixers side by side, and a first block that also normalises the embedding."""
    loaded = load(locate(str(save_family(tmp_path / "model", family))), "float32", "cpu")
    loaded = loaded.played_by(players_of(loaded.info.layers, "sublayer"))
    for halves in loaded.halves:
        assert {name.split(".")[0] for name in halves.mixer} <= mixer
        assert {name.split(".")[0] for name in halves.mlp} == mlp


def test_names() -> None:
    assert players_of(4, "block") == ("0", "1", "2", "3")
    assert players_of(3, "sublayer", (1,)) == ("0a", "0m", "2a", "2m")
    assert players_of(10, "group:3", (0, 5)) == ("1-3", "4", "6-8", "9")
    assert players_of(4, "group:1") == players_of(4, "block")
    halves = players_of(4, "sublayer")
    assert indexes(halves, ["3a", "1"]) == (2, 3, 6) and indexes(halves, ["0-1"]) == (0, 1, 2, 3)
    assert indexes(halves, [6, 1]) == (1, 6) and indexes(halves, ["1-2a"]) == (2, 4)
    assert names(halves, (2, 6)) == ["1a", "3a"] and names(players_of(4, "block", (0,)), (0, 2)) == [1, 3]
    assert dropped(halves, 4, indexes(halves, ["2", "3m"])) == ((2,), ("3m",))
    assert both_halves(halves)[2] == (4, 5) and both_halves(players_of(4, "block")) == {}


@pytest.mark.parametrize(
    ("kind", "protect", "said"),
    [
        ("heads", (), "no players heads"),
        ("group:", (), "no players"),
        ("group:0", (), "cannot be made"),
        ("group:9", (), "cannot be made"),
        ("block", (8,), "cannot be protected: 8"),
        ("sublayer", range(8), "nobody plays"),
    ],
)
def test_impossible_players(kind: str, protect: tuple[int, ...], said: str) -> None:
    with pytest.raises(SelectionError, match=said):
        players_of(8, kind, protect)


@pytest.mark.parametrize("named", [["4a"], ["0"], ["1-9"], ["1", "1a"], ["x"], ["3-1"], ["2-3m", "3m"]])
def test_nobody_of_that_name(named: list[str]) -> None:
    with pytest.raises(SelectionError) as refused:
        indexes(players_of(4, "sublayer", (0,)), named)
    assert "1a, 1m, 2a, 2m, 3a, 3m" in refused.value.hint
