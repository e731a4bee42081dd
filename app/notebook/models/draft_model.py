"""A draft of a model that a notebook has in memory, for assisted generation by transformers."""

from typing import TYPE_CHECKING

from app.notebook.given import Players, at_least_one, integer_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def draft(model: "PreTrainedModel", removed: Players, tokens: int | None = None) -> "PreTrainedModel":
    """The model without some layers, to draft for it: `model.generate(..., assistant_model=draft)`.

    It shares every weight with `model`, which is left as it was: no memory is taken but for its own cache. Greedy text
    is the model's own, to the rounding of its numbers.

    Args:
        model: a causal language model of transformers, as `from_pretrained` gives it.
        removed: layers, as "3,7" or [3, 7]; such as `select RUN --for draft` finds.
        tokens: to draft at a time, always so many. None leaves that to transformers: up to 20, as long as it is sure.

    Raises:
        QuorumError: this model, or these layers, give no draft.
    """
    from core.drafting.shared_draft import shared_draft

    return shared_draft(model, at_least_one(removed), None if tokens is None else integer_of(tokens, "tokens"))
