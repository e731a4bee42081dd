"""What a cache must hold so that a model generates with it: in a hybrid, one layer of attention, which alone tells how
long the text is. Without any it loads and evaluates, and generates with `use_cache=False` alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from core.errors import ExportError
from core.export.recipes.recipe import UNCACHED
from core.model.cached_attention import cached_attention


def last_attention(config: Any, kept: NDArray[np.bool_]) -> list[int]:
    """The layers of attention, if `kept` (layers,) has none of them; empty where a cache loses nothing by it.

    Args:
        config: of the whole model. One whose cache holds no attention, such as Mamba, asks for none.
        kept: True where a layer stays, or half of it.
    """
    found = cached_attention(config, len(kept))
    return [] if kept[list(found)].any() else list(found)


def is_stateful(model: PreTrainedModel) -> bool:
    """Whether what a model keeps of a text cannot go back, as Mamba's state: nothing can draft for it then."""
    return bool(getattr(model, "_is_stateful", False))


def check_cache(config: Any, kept: NDArray[np.bool_]) -> None:
    """ExportError where the model that is left would generate no more with a cache."""
    if lost := last_attention(config, kept):
        some = ", ".join(map(str, lost[:8])) + (", …" if len(lost) > 8 else "")
        raise ExportError(
            f"Without {'layers' if len(lost) > 1 else 'layer'} {some} this hybrid model has no attention left: plain "
            "transformers loads and evaluates it, and generates no more with its cache.",
            f"Keep one: `select RUN --protect {lost[len(lost) // 2]}`, or remove other layers. Or write it as it is, "
            f"with {UNCACHED}: its settings then say use_cache: false, so that it generates slowly.",
        )
