"""A draft in memory beside its target: the same weights with fewer layers, for transformers' assisted generation."""

from collections.abc import Sequence

from transformers import PreTrainedModel

from core.coalitions.players import mask_without, players_of
from core.errors import DeviceError, NotCausal, UnsupportedModel
from core.export.cache_layers import is_stateful, last_attention
from core.export.delete_blocks import delete_blocks
from core.model.blocks import find_blocks
from core.model.skipping import check_skipping
from core.speed.shared_copy import sharing_copy


def shared_draft(target: PreTrainedModel, removed: Sequence[int | str], tokens: int | None = None) -> PreTrainedModel:
    """A model without some layers, in evaluation mode, whose weights are the target's own; the target is left as found.

    Its blocks are numbered anew, so that it has a cache of its own.

    Args:
        target: a causal language model of transformers, in memory.
        removed: layers by number or name.
        tokens: to draft at a time, always so many; as transformers sees fit if none are given.

    Raises:
        UnsupportedModel, NotCausal, DeviceError, SelectionError: this model, or these layers, give no draft.
    """
    check_target(target)
    draft = sharing_copy(target)
    draft.eval()
    blocks = find_blocks(draft)
    check_skipping(draft, blocks)
    mask = mask_without(players_of(len(blocks), "block"), removed)
    if last_attention(target.config, mask):
        raise UnsupportedModel(
            "Without these layers no attention is left, and a draft needs its cache.", "Keep one layer of attention."
        )
    delete_blocks(draft, blocks.path, mask)
    settings = draft.generation_config  # a copy of the target's
    if tokens is not None and settings is not None:
        settings.num_assistant_tokens, settings.num_assistant_tokens_schedule = tokens, "constant"
        settings.assistant_confidence_threshold = 0.0  # or a draft that is unsure ends early
    return draft


def check_target(target: PreTrainedModel) -> None:
    """Raises what is wrong with a model that is to have drafts, before anything is computed."""
    name = type(target).__name__
    if not isinstance(target, PreTrainedModel) or not target.can_generate():
        raise UnsupportedModel(
            f"{name} is no language model of transformers that writes.",
            "Load one with AutoModelForCausalLM.from_pretrained.",
        )
    if target.config.is_encoder_decoder:
        raise NotCausal(f"{name} has an encoder.", "Use a causal (decoder-only) language model.")
    if is_stateful(target):
        raise UnsupportedModel(
            f"{name} keeps a state of the text that cannot go back to before a token that was drafted in vain, so that "
            "transformers lets nothing draft for it.",
            "Use a model whose every layer is attention.",
        )
    if any(weight.is_meta for weight in target.parameters()):
        raise DeviceError(
            f"Weights of {name} lie partly on the disk: a draft would wait for them as the model does.",
            "Load it onto a device that has room for it, or a quantised version.",
        )
