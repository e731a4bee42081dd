"""Protocols of the literature under their names: how a corpus is joined, cut and begun so that figures compare.

`paper` is this method's own (arXiv 2602.07804); `2048` and `4096` are what GPTQ, SparseGPT and Wanda measure with.
"""

from dataclasses import dataclass, replace

from core.errors import CorpusError
from core.records.spec import RunSpec, TextSpec


@dataclass(frozen=True)
class Published:
    """How a corpus is read for a figure of the literature, whole and in order."""

    split: str  # of the data set
    documents: int | None = None  # the first ones; None takes all
    between: str = "\n\n"  # documents
    windows: int | None = None  # the first ones; None takes all


@dataclass(frozen=True)
class Preset:
    """A protocol. A run's windows are cut anywhere in the text, so that none of them begins with a BOS."""

    window: int  # text tokens
    sequences: int  # for calibration
    any_bos: bool  # one BOS in front of a corpus if the tokenizer has one; else only if it adds one by itself
    corpora: dict[str, Published]


_LONG = {
    "wikitext2": Published("test"),
    "ptb": Published("test", between=" "),
    "c4": Published("validation", documents=1100, between=" ", windows=256),
}
PRESETS = {
    "paper": Preset(
        128,
        10,
        True,
        {
            "wikitext2": Published("test"),
            "ptb": Published("validation"),
            "c4": Published("validation", documents=1000),
        },
    ),
    "2048": Preset(2048, 128, False, _LONG),
    "4096": Preset(4096, 128, False, _LONG),
}


def preset_of(name: str) -> Preset:
    """The protocol of that name, or CorpusError."""
    if name not in PRESETS:
        raise CorpusError(f"There is no protocol {name}.", f"Use one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def under_preset(spec: RunSpec) -> RunSpec:
    """A request with what its protocol settles: the windows, and how many there are unless another number is given.

    Raises:
        CorpusError: no such protocol, or one against the request.
    """
    if not spec.preset:
        return spec
    sequences = preset_of(spec.preset).sequences if spec.sequences == RunSpec().sequences else spec.sequences
    return replace(spec, window=_window(spec.preset, spec.window, spec.bos), sequences=sequences)


def whole(corpus: str, window: int, windows: int | None, bos: str, field: str = "", preset: str = "") -> TextSpec:
    """A text in order, from its beginning, as a protocol reads it if one is named.

    Args:
        windows: the first ones; None takes all, or as many as the protocol does.

    Raises:
        CorpusError: no such protocol, or one against the request.
    """
    if preset:
        published = preset_of(preset).corpora.get(corpus)
        window = _window(preset, window, bos)
        windows = windows or (published.windows if published else None)
    return TextSpec(corpus, "whole", window, windows, bos, field=field, preset=preset)


def _window(name: str, window: int, bos: str) -> int:
    """The length of the windows under a protocol; CorpusError where something else was asked for, too."""
    preset = preset_of(name)
    if window not in (RunSpec().window, preset.window) or bos != "auto":
        raise CorpusError(
            f"The protocol {name} has windows of {preset.window} tokens, and its own rule for the BOS.",
            "Leave --window and --bos out, or --protocol.",
        )
    return preset.window
