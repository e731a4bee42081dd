"""Compensation against numpy on the full activations, and against plain transformers with the changed weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    DeepseekV3Config,
    FalconConfig,
    FalconMambaConfig,
    GPTNeoXConfig,
    Mamba2Config,
    MambaConfig,
    MistralConfig,
    MixtralConfig,
    Olmo2Config,
    PreTrainedConfig,
    Qwen2Config,
    RwkvConfig,
)

from app.cli.compensated import compensation_text
from benchmarks.byte_tokenizer import save_tokenizer
from core.checkpoint.checkpoint import locate
from core.compensation import compensate as compensation
from core.compensation import refit
from core.compensation.compensate import LEAST, compensate, cuts_of
from core.compensation.projections import Patches, changed_by, patched, projections
from core.compensation.ridge import STRENGTHS
from core.compensation.scale import divided, divisible
from core.errors import CorpusError, QuorumError, SelectionError
from core.evaluate.reference import sequence_losses
from core.model.model import LoadedModel, load
from core.pauses import come
from core.records.spec import TextSpec
from core.text.corpora import read
from core.text.windows import Windows, cut
from tests.support.models import CONFIGS, LAYERS, SMALL, randomised, save_model

REMOVED = (2, 3, 6)
MIXERS = {"vocab_size": 258, "hidden_size": 32, "num_hidden_layers": LAYERS}


def loaded_of(folder: Path, config: PreTrainedConfig) -> LoadedModel:
    torch.manual_seed(0)
    randomised(AutoModelForCausalLM.from_config(config, dtype=torch.float32)).save_pretrained(folder)
    save_tokenizer(folder)
    return load(locate(str(folder)), "float32", "cpu")


def windows_of(loaded: LoadedModel, text_file: Path, number: int = 16) -> Windows:
    spec = TextSpec(str(text_file), "calibration", 16, number, seed=0)
    return cut(read(str(text_file), "calibration"), loaded.checkpoint.tokenizer, spec)


def mask_of(removed: tuple[int, ...]) -> np.ndarray:
    return ~np.isin(np.arange(LAYERS), removed)


def plain(loaded: LoadedModel, patches: Patches, removed: tuple[int, ...]) -> torch.nn.Module:
    """transformers' own model with other weights, whose ModuleList lost the blocks."""
    model = AutoModelForCausalLM.from_pretrained(loaded.checkpoint.folder, dtype=torch.float32).eval()
    own = dict(model.named_parameters())
    assert patches.keys() <= own.keys(), "no new parameter"
    for name, value in patches.items():
        assert own[name].shape == value.shape
        own[name].data = value
    path, _, last = loaded.blocks.path.rpartition(".")
    blocks = getattr(model.get_submodule(path), last)
    setattr(model.get_submodule(path), last, torch.nn.ModuleList(blocks[i] for i in np.flatnonzero(mask_of(removed))))
    return model


FAMILIES: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": CONFIGS["llama"],
    "gpt2": CONFIGS["gpt2"],
    "qwen2": lambda: Qwen2Config(**SMALL),
    "neox": lambda: GPTNeoXConfig(**SMALL),
    "mistral": lambda: MistralConfig(**SMALL),
    "mamba": lambda: MambaConfig(**MIXERS, state_size=8),
    "mamba2": lambda: Mamba2Config(**MIXERS, state_size=8, num_heads=8, head_dim=8, n_groups=2, chunk_size=8),
    "falcon_mamba": lambda: FalconMambaConfig(**MIXERS, state_size=8),
    "falcon": lambda: FalconConfig(**SMALL, parallel_attn=True, bias=True),
    "biased": lambda: MambaConfig(**MIXERS, state_size=8, use_bias=True),
}


# What a refit can change of them: attention's, and of experts the one that every token goes through.
IN_PART: dict[str, tuple[Callable[[], PreTrainedConfig], tuple[str, ...]]] = {
    "mixtral": (lambda: MixtralConfig(**SMALL, num_local_experts=4), ("self_attn.o_proj",)),
    "rwkv": (lambda: RwkvConfig(**MIXERS, attention_hidden_size=32), ("attention.output",)),
    "deepseek": (
        lambda: DeepseekV3Config(
            **{**SMALL, "num_key_value_heads": 4},
            **{"first_k_dense_replace": 1, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1},
            **{"topk_group": 1, "moe_intermediate_size": 24, "kv_lora_rank": 8, "q_lora_rank": 8},
            **{"qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8},
        ),
        ("self_attn.o_proj", "mlp.shared_experts.down_proj"),
    ),
}
REFITTED = FAMILIES | {name: config for name, (config, _) in IN_PART.items()}


@pytest.mark.parametrize("family", IN_PART)
def test_what_is_added_as_it_is_is_what_a_refit_changes(family: str, tmp_path: Path) -> None:
    config, ends = IN_PART[family]
    loaded = loaded_of(tmp_path, config())
    names = [one.name for one in changed_by(loaded, [3, 5])]
    assert names == [f"{loaded.blocks.path}.{block}.{end}" for block in (3, 5) for end in ends]


@pytest.mark.parametrize(
    ("family", "how"),
    [(name, how) for name in REFITTED for how in ("scale", "refit", "logits")],
)
def test_plain_transformers_with_the_changed_weights_has_the_losses_told(
    family: str, how: str, tmp_path: Path, text_file: Path
) -> None:
    loaded = loaded_of(tmp_path, REFITTED[family]())
    windows, mask = windows_of(loaded, text_file), mask_of(REMOVED)
    before = {name: value.clone() for name, value in loaded.model.named_parameters()}
    done, patches = come(compensate(loaded, windows, mask, how))
    assert all(torch.equal(before[name], value) for name, value in loaded.model.named_parameters()), "left as found"
    assert [(cut.first, cut.last) for cut in done.cuts] == [(2, 3), (6, 6)]
    losses = []
    held = windows.ids[-done.held :]
    for weights in ({}, patches):
        model = plain(loaded, weights, REMOVED)
        with torch.inference_mode():
            losses.append(np.mean([model(input_ids=one[None], labels=one[None], use_cache=False).loss for one in held]))
    assert done.cuts[0].before == pytest.approx(losses[0], rel=1e-5)
    last = done.cuts[-1]
    told = done.steps[-1].after if done.steps else last.after if last.accepted else last.before
    assert told == pytest.approx(losses[1], rel=1e-5) and (how == "logits" or not done.steps)
    assert bool(patches) == bool(done.accepted) and (losses[1] < losses[0]) == bool(patches)
    first = done.cuts[0]
    assert [mend.accepted for mend in done.cuts] == [mend.after < mend.before for mend in done.cuts]
    assert last.before == (first.after if first.accepted else first.before)


def test_blocks_without_an_mlp_are_refitted_in_what_their_mixer_ends_in(tmp_path: Path, text_file: Path) -> None:
    """Against least squares of the full activations; on both ways of asking it is the one projection."""
    loaded = loaded_of(tmp_path, FAMILIES["mamba"]())
    assert [one.name for one in changed_by(loaded, [1, 5])] == [
        f"backbone.layers.{block}.mixer.out_proj" for block in (1, 5)
    ]
    assert projections(loaded, [1, 5]) == changed_by(loaded, [1, 5])
    windows = windows_of(loaded, text_file, 32)
    done, patches = come(compensate(loaded, windows, mask_of((3, 4)), "refit"))
    model = AutoModelForCausalLM.from_pretrained(loaded.checkpoint.folder, dtype=torch.float32).eval()
    module, seen = model.backbone.layers[2].mixer.out_proj, []
    module.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.inference_mode():
        states = model(input_ids=windows.ids[: -done.held], output_hidden_states=True, use_cache=False).hidden_states
    x = seen[0].reshape(-1, seen[0].shape[-1]).double().numpy()
    # Of a Mamba the states are those that leave each block, without the embedding.
    before, aim = (state.reshape(len(x), 32).double().numpy() for state in (states[2], states[4]))
    rows = 1 / np.linalg.norm(before, axis=1, keepdims=True)
    penalty = np.eye(x.shape[1]) * np.sqrt(done.cuts[0].strength * ((rows * x) ** 2).sum(axis=0).mean())
    tall, right = np.vstack([rows * x, penalty]), np.vstack([rows * (aim - before), np.zeros((x.shape[1], 32))])
    [(name, found)] = patches.items()
    change = np.linalg.lstsq(tall, right, rcond=None)[0].T
    assert name == "backbone.layers.2.mixer.out_proj.weight" and np.abs(change).max() > 0.01
    assert np.abs((found - module.weight).detach().double().numpy() - change).max() < 1e-3 * np.abs(change).max() + 1e-6


@pytest.mark.parametrize("room", [None, 0], ids=["both at once", "attention alone, then the MLP"])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_refit_is_the_least_squares_of_the_full_activations(
    family: str, room: int | None, tmp_path: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if room is not None:
        monkeypatch.setattr(refit, "ROOM", room)
    monkeypatch.setattr(compensation, "_loss", lambda *given: -len(given[-1]))  # accepted, whatever it is worth
    loaded = load(locate(str(save_model(tmp_path, family))), "float32", "cpu")
    windows, mask = windows_of(loaded, text_file, 32), mask_of((3, 4))
    done, patches = come(compensate(loaded, windows, mask, "refit"))
    assert done.accepted == 1
    model = AutoModelForCausalLM.from_pretrained(loaded.checkpoint.folder, dtype=torch.float32).eval()
    llama = family == "llama"
    blocks = model.model.layers if llama else model.transformer.h
    modules = (
        [blocks[2].self_attn.o_proj, blocks[2].mlp.down_proj]
        if llama
        else [blocks[2].attn.c_proj, blocks[2].mlp.c_proj]
    )
    seen: dict[torch.nn.Module, torch.Tensor] = {}
    for module in modules:
        module.register_forward_pre_hook(lambda module, args: seen.update({module: args[0]}))
    own = {name: value.detach().clone() for name, value in model.named_parameters()}
    with torch.inference_mode():
        behind = model(input_ids=windows.ids[: -done.held], output_hidden_states=True).hidden_states[5]

    def fitted(of: list[torch.nn.Module], strength: float) -> Any:
        """The change by dense least squares, (inputs, outputs), of what enters some projections."""
        with torch.inference_mode():
            states = model(input_ids=windows.ids[: -done.held], output_hidden_states=True).hidden_states
        before, aim = (state.reshape(-1, 32).double().numpy() for state in (states[3], behind))
        x = np.hstack([seen[module].reshape(len(before), -1).double().numpy() for module in of])
        inputs = x.shape[1]
        x = x if llama else np.hstack([x, np.ones((len(x), 1))])
        rows = 1 / np.linalg.norm(before, axis=1, keepdims=True)
        penalty = np.eye(inputs, x.shape[1]) * np.sqrt(strength * ((rows * x) ** 2).sum(axis=0)[:inputs].mean())
        tall, right = np.vstack([rows * x, penalty]), np.vstack([rows * (aim - before), np.zeros((inputs, 32))])
        return np.linalg.lstsq(tall, right, rcond=None)[0]

    def changed(module: torch.nn.Module) -> Any:
        """The same as it was found."""
        [name] = [name for name, one in model.named_modules() if one is module]
        moved = (patches[f"{name}.weight"] - own[f"{name}.weight"]).double().numpy()
        return moved.T if llama else moved

    attention, mlp = modules
    wide = changed(attention).shape[0]
    first = [fitted(modules if room is None else [attention], strength)[:wide] for strength in STRENGTHS]
    assert min(np.abs(changed(attention) - one).max() for one in first) < 3e-4 * np.abs(first[0]).max() + 1e-6
    for name, value in patches.items():
        if "attn" in name:
            model.get_parameter(name).data = value
    change = fitted([mlp], done.cuts[0].strength)
    inputs = changed(mlp).shape[0]
    assert np.abs(changed(mlp) - change[:inputs]).max() < 1e-4 * np.abs(change).max() + 1e-6
    biases = [name for name in patches if name.endswith("bias")]
    assert len(biases) == (0 if llama else 1), "the intercept is the MLP's"
    for bias in biases:
        assert np.allclose((patches[bias] - own[bias]).numpy(), change[-1], atol=1e-3)


def test_a_scale_is_that_of_the_hidden_states_and_exact(tmp_path: Path, text_file: Path) -> None:
    """Dividing what later blocks add is multiplying the hidden state at the cut, since norms know no scale."""
    loaded = load(locate(str(save_model(tmp_path))), "float32", "cpu")
    windows, mask = windows_of(loaded, text_file, 32), mask_of((0, 4))
    done, _ = come(compensate(loaded, windows, mask, "scale"))
    with torch.inference_mode():
        states = loaded.model(input_ids=windows.ids[: -done.held], output_hidden_states=True).hidden_states
    for mend, (before, behind) in zip(done.cuts, [(0, 1), (4, 5)], strict=True):
        sizes = [states[place].abs().mean(dim=1) for place in (before, behind)]
        assert mend.strength == pytest.approx((sizes[1] / sizes[0]).mean().item(), rel=1e-4)

    def longer(_: object, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0] * done.cuts[1].strength, *args[1:])

    changes: Patches = {}
    for names in divisible(loaded, [5, 6, 7]).values():
        changes |= divided(loaded, names, done.cuts[1].strength)
    with patched(loaded.model, changes):
        ours = sequence_losses(loaded, windows.ids, mask_of((4,)))
    handle = loaded.blocks.modules[5].register_forward_pre_hook(longer)
    theirs = sequence_losses(loaded, windows.ids, mask_of((4,)))
    handle.remove()
    assert np.allclose(ours, theirs, rtol=1e-4)
    assert not np.allclose(ours, sequence_losses(loaded, windows.ids, mask_of((4,))), rtol=1e-4)


@pytest.mark.parametrize("how", ["scale", "refit", "logits"])
def test_nothing_removed_changes_nothing(how: str, tiny_loaded: LoadedModel, text_file: Path) -> None:
    done, patches = come(compensate(tiny_loaded, windows_of(tiny_loaded, text_file), mask_of(()), how))
    assert not done.cuts and not patches


def test_before_the_first_block_there_is_nothing_to_refit(tiny_loaded: LoadedModel, text_file: Path) -> None:
    done, patches = come(compensate(tiny_loaded, windows_of(tiny_loaded, text_file), mask_of((0, 1)), "refit"))
    assert not patches and [(cut.strength, cut.accepted, cut.before == cut.after) for cut in done.cuts] == [
        (0, False, True)
    ]


def test_behind_the_last_block_there_is_nothing_to_divide(tiny_loaded: LoadedModel, text_file: Path) -> None:
    done, _ = come(compensate(tiny_loaded, windows_of(tiny_loaded, text_file), mask_of((2, 6, 7)), "scale"))
    assert done.cuts[0].strength > 0
    assert [(cut.strength, cut.accepted, cut.before == cut.after) for cut in done.cuts[1:]] == [(0, False, True)]
    assert "  layers 6 to 7: no block behind it to scale, stays plain" in compensation_text(done, 1.0).splitlines()


def test_cuts_are_the_runs_of_dropped_blocks() -> None:
    assert cuts_of(mask_of((0, 1, 4, 6, 7))) == [range(0, 2), range(4, 5), range(6, 8)]
    assert cuts_of(mask_of(())) == []
    assert cuts_of(mask_of(tuple(range(LAYERS)))) == [range(LAYERS)]


REFUSED = {"gemma3": CONFIGS["gemma3"], "olmo2": lambda: Olmo2Config(**SMALL)}


@pytest.mark.parametrize("how", ["scale", "refit", "logits"])
@pytest.mark.parametrize("family", REFUSED)
def test_families_whose_projections_are_not_added_as_they_are_are_refused_by_name(
    family: str, how: str, tmp_path: Path, text_file: Path
) -> None:
    loaded = loaded_of(tmp_path, REFUSED[family]())
    with pytest.raises(
        QuorumError,
        match=f"{loaded.info.architecture} cannot be compensated by {'scale' if how == 'scale' else 'refit'}: ",
    ) as refusal:
        next(compensate(loaded, windows_of(loaded, text_file), mask_of(REMOVED), how))
    assert "--compensate none" in refusal.value.hint


def test_halves_and_short_texts_are_refused(tiny_loaded: LoadedModel, text_file: Path) -> None:
    windows = windows_of(tiny_loaded, text_file, LEAST - 1)
    with pytest.raises(CorpusError, match=f"{LEAST - 1} sequences are too few"):
        next(compensate(tiny_loaded, windows, mask_of(REMOVED), "refit"))
    halves = tiny_loaded.played_by([f"{block}{half}" for block in range(LAYERS) for half in "am"])
    mask = np.arange(2 * LAYERS) != 4
    with pytest.raises(SelectionError, match="only half"):
        next(compensate(halves, windows, mask, "refit"))
