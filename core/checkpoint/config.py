"""What config.json says that a model is, and whether its files hold that: before any weight is read."""

import copy
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
)

from core.checkpoint.headers import Header, headers, read_object
from core.errors import ModelError, NotCausal, UnsafeWeights, UnsupportedModel

# A byte on disk holds at most so many parameters, in the smallest quantised types; and what tiny models may ask for
# in tables of positions and masks, in elements.
_PACKED, _TABLES = 8, 2**28


def read_config(source: str, folder: Path) -> Any:
    """The configuration of a causal language model that transformers knows.

    Raises:
        UnsafeWeights: it needs code of its own.
        NotCausal, UnsupportedModel.
    """
    raw = read_object(folder / "config.json")
    named = raw.get("architectures") or []
    listed = isinstance(named, list) and all(isinstance(name, str) for name in named)
    if not listed or not isinstance(raw.get("model_type", ""), str):
        raise UnsupportedModel(
            f"The config.json of {source} makes no sense: "
            + ("model_type is no name." if listed else "architectures is no list of names."),
            "Correct config.json, or download the model again.",
        )
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as cause:  # whatever the values in a file lead to, each architecture in its own way
        if raw.get("model_type") in CONFIG_MAPPING:
            raise UnsupportedModel(
                f"The config.json of {source} makes no sense: {reason(cause)}.",
                "Correct config.json, or download the model again.",
            ) from cause
        code = "auto_map" in raw
        error: type[ModelError] = UnsafeWeights if code else UnsupportedModel
        raise error(
            f"{source} needs code of its own to load, which Quorum never executes."
            if code
            else f"{source} is of an architecture that this transformers release does not know.",
            "Use a model whose architecture is part of transformers.",
        ) from cause
    if causal_class(config) is None or (named and not _read_as_causal(config.model_type).intersection(named)):
        raise NotCausal(
            f"{source} is not a causal language model ({', '.join(named) or config.model_type}).",
            "Use a model that transformers' AutoModelForCausalLM reads, with its head.",
        )
    return config


def reason(cause: BaseException) -> str:
    """What transformers found wrong with a configuration, in one line: its checks wrap one error into another."""
    inner = cause
    while inner.__cause__ is not None:
        inner = inner.__cause__
    text = " ".join(str(inner).split()).removesuffix(".")[:200]
    # A KeyError tells a key alone, and an error without words nothing.
    return text if isinstance(inner, ValueError) and text else f"{type(inner).__name__} {text}".rstrip()


def causal_class(config: Any) -> Any:
    """What reads the causal model of a configuration: AutoModelForCausalLM, or a class that it leaves out; else None.

    It leaves out the decoders of some models of text and pictures, when they are saved by themselves.
    """
    if config.is_encoder_decoder:
        return None
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return AutoModelForCausalLM
    known = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()).intersection(config.architectures or [])
    found = [getattr(transformers, name) for name in sorted(known)]
    return next((one for one in found if one.config_class is type(config)), None)


def _read_as_causal(kind: str) -> set[str]:
    """The classes whose checkpoints a causal model is read from: causal ones, and those of this kind around one."""
    around = MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES.get(kind, ())
    return {*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values(), *((around,) if isinstance(around, str) else around)}


def skeleton(config: Any) -> PreTrainedModel:
    """The model of a configuration, its shapes alone: it takes no memory for weights. `config` is left as it is."""
    reader = causal_class(config)
    build = reader.from_config if reader is AutoModelForCausalLM else reader._from_config
    with torch.device("meta"):
        model: PreTrainedModel = build(copy.deepcopy(config))
    return model


def check_weights(source: str, config: Any, folder: Path) -> None:
    """Refuses a model whose configuration asks for other weights, or for far more, than its files hold.

    Raises:
        UnsupportedModel: names the tensor, or the two sizes.
    """
    held = headers(folder)
    layers = getattr(config.get_text_config(), "num_hidden_layers", None)
    if isinstance(layers, int) and layers > len(held):
        raise UnsupportedModel(
            f"The config.json of {source} asks for {layers} layers; its files hold {len(held)} tensors in all.",
            "Correct config.json, or download the model again.",
        )
    try:
        model = skeleton(config)
    except Exception as cause:  # whatever the values in a file lead to, each architecture in its own way
        raise UnsupportedModel(
            f"No model can be built from the config.json of {source}: {reason(cause)}.",
            "Correct config.json, or download the model again.",
        ) from cause
    asked = model.num_parameters() + sum(buffer.numel() for buffer in model.buffers())
    size = sum(tensor.size for tensor in held.values())
    if asked > _PACKED * size + _TABLES:
        raise UnsupportedModel(
            f"The config.json of {source} asks for {asked:,} numbers; its files hold {size:,} bytes.",
            "Correct config.json, or download the model again.",
        )
    if getattr(config, "quantization_config", None) is None:  # else tensors are packed
        _check_shapes(source, model, held)


def check_given(source: str, report: dict[str, Any]) -> None:
    """UnsupportedModel where transformers' report of loading says that the files did not give every weight.

    It would have filled them in at random.
    """
    absent = sorted(report["missing_keys"])
    if absent:
        raise UnsupportedModel(
            f"The weights of {source} are incomplete: {len(absent)} are missing, such as {absent[0]}.",
            "Save the whole model with its head (save_pretrained of the causal LM), or download it again.",
        )
    if report["mismatched_keys"]:
        name, given, asked = min(report["mismatched_keys"])
        raise UnsupportedModel(
            f"{name} in the files of {source} has the shape {list(given)}; its configuration asks for {list(asked)}.",
            "Take the configuration and the weights from the same model.",
        )


def _check_shapes(source: str, model: PreTrainedModel, held: dict[str, Header]) -> None:
    """Of the tensors that are saved as they are computed with; others are renamed or rearranged as they load."""
    conversions = get_model_conversion_mapping(model)
    for name, weight in model.state_dict().items():
        tensor = held.get(name)
        if tensor is None or tensor.shape == tuple(weight.shape):
            continue
        if not any(conversion.rename_source_key(name)[1] is not None for conversion in conversions):
            raise UnsupportedModel(
                f"{name} in the files of {source} has the shape {list(tensor.shape)}; its config.json asks for "
                f"{list(weight.shape)}.",
                "Take config.json and the weights from the same model.",
            )
