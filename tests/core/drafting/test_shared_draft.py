"""A draft beside its target: plain transformers writes the target's own text with it, and no weight is there twice."""

import copy
from pathlib import Path
from typing import Any

import pytest
import quorum
import torch
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedModel, T5Config, T5ForConditionalGeneration

from core.coalitions.masks import without
from core.errors import DeviceError, NotCausal, SelectionError, UnsupportedModel
from core.export.delete_blocks import delete_blocks
from core.model.blocks import find_blocks
from tests.support.families import save_family
from tests.support.models import CONFIGS, save_model

IDS = torch.arange(10)[None] * 7
TOKENS = 24


@pytest.fixture(scope="module", params=CONFIGS)
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = save_model(tmp_path_factory.mktemp("target") / "whole", request.param)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def written(model: Any, **options: Any) -> list[int]:
    found = model.generate(IDS, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, **options)
    return list(map(int, found[0]))


@pytest.mark.parametrize(("removed", "tokens"), [([7], None), ([0, 3], 3), ([1, 2, 4, 5, 6], 5)])
def test_greedy_text_is_the_target_s_own(target: Any, removed: Any, tokens: int | None) -> None:
    with torch.inference_mode():
        alone, logits = written(target), target(IDS).logits
        settings, mode = target.generation_config.to_dict(), target.training
        draft: Any = quorum.draft(target, removed, tokens)
        asked: list[int] = []
        handle = draft.register_forward_hook(lambda *_: asked.append(1))
        assert written(target, assistant_model=draft) == alone
        handle.remove()
        assert asked  # it has drafted
        assert torch.equal(target(IDS).logits, logits)
    assert target.generation_config.to_dict() == settings and target.training == mode
    assert target.config.get_text_config().num_hidden_layers == 8


def test_it_holds_the_target_s_tensors_and_a_cache_of_its_own(target: Any) -> None:
    draft = quorum.draft(target, [2, 5])
    ours = {weight.data_ptr() for weight in (*target.parameters(), *target.buffers())}
    assert {weight.data_ptr() for weight in (*draft.parameters(), *draft.buffers())} <= ours
    with torch.inference_mode():
        cache = draft(IDS, use_cache=True).past_key_values
        assert len(cache.layers) == 6 and all(layer.keys.numel() for layer in cache.layers)
        # It is the model that is left when blocks are deleted from one that was loaded anew.
        again = type(target)(copy.deepcopy(target.config))
        again.load_state_dict(target.state_dict())
        delete_blocks(again, find_blocks(target).path, without(8, (2, 5)))
        assert torch.equal(again.eval()(IDS).logits, draft(IDS).logits)


def test_a_draft_that_agrees_is_asked_for_as_many_tokens_as_was_said(tiny: Path) -> None:
    target: Any = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    with torch.no_grad():  # a layer that adds nothing, so that the draft is always right
        target.model.layers[4].self_attn.o_proj.weight.zero_()
        target.model.layers[4].mlp.down_proj.weight.zero_()
    draft, read = quorum.draft(target, 4, tokens=3), list[int]()
    target.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    written(target, assistant_model=draft)
    assert read[0] == IDS.shape[1] + 3 and set(read[1:-1]) == {4}  # three drafted, behind the last of its own
    assert len(read) == TOKENS // 4


def test_a_target_in_training_stays_so(tiny: Path) -> None:
    target = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).train()
    assert not quorum.draft(target, [1]).training and target.training and target.model.layers[0].training


@pytest.mark.parametrize(
    ("removed", "why"),
    [
        ([8], "There is no player 8"),
        (["3a"], "There is no player 3a"),
        ([], "Nobody"),
        (range(8), "."),
        ("1,1", "twice"),
    ],
)
def test_layers_that_cannot_go_are_refused(removed: Any, why: str, tiny: Path) -> None:
    target = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    with pytest.raises(SelectionError, match=why):
        quorum.draft(target, removed)


def test_models_that_cannot_have_a_draft_are_refused_by_name(tiny: Path, tmp_path: Path) -> None:
    mamba = AutoModelForCausalLM.from_pretrained(save_family(tmp_path / "mamba", "Mamba"))
    with pytest.raises(UnsupportedModel, match="MambaForCausalLM keeps a state"):
        quorum.draft(mamba, [1])
    with pytest.raises(UnsupportedModel, match="LlamaModel is no language model"):
        quorum.draft(AutoModel.from_pretrained(tiny), [1])
    wrong: Any = "tiny"
    with pytest.raises(UnsupportedModel, match="str is no language model"):
        quorum.draft(wrong, [1])
    with pytest.raises(DeviceError, match="partly on the disk"), torch.device("meta"):
        quorum.draft(AutoModelForCausalLM.from_config(CONFIGS["llama"]()), [1])
    encoder: PreTrainedModel = T5ForConditionalGeneration(T5Config(vocab_size=258, d_model=8, d_kv=4, num_layers=1))
    with pytest.raises(NotCausal, match="T5ForConditionalGeneration has an encoder"):
        quorum.draft(encoder, [0])
