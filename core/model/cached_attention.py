"""The layers of attention that a hybrid model's cache rests on: they alone tell it how long the text is."""

from typing import Any

from transformers.cache_utils import CacheLayerMixin, DynamicCache


def cached_attention(config: Any, layers: int) -> tuple[int, ...]:
    """The layers of attention of a model of which others keep a state of another kind, such as Mamba's.

    Empty where every layer has attention, or none, and for architectures that keep their state in ways of their own.

    Args:
        config: of the whole model.
        layers: that the model has.
    """
    try:
        cache = DynamicCache(config=config.get_text_config(decoder=True)).layers
    except Exception:  # those that keep their state in ways of their own
        return ()
    found = tuple(number for number, layer in enumerate(cache) if isinstance(layer, CacheLayerMixin))
    return found if len(cache) == layers and len(found) < layers else ()
