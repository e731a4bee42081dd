"""What a request's model, text and device are, as a run of it would find them: no weights are read, no Hub is asked.

A model is told by its configuration and the headers of its files, a text by the tokens of its beginning. What cannot be
used is refused in the words of the run.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from huggingface_hub import constants
from transformers import PreTrainedTokenizerBase

from core.checkpoint import gguf
from core.checkpoint.checkpoint import Checkpoint, locate
from core.checkpoint.config import check_weights
from core.checkpoint.device import all_memory, choose_device, choose_dtype
from core.checkpoint.gguf_header import GgufHeader
from core.checkpoint.gguf_parts import check_counts, parts_of
from core.checkpoint.headers import headers
from core.checkpoint.safety import packed_in
from core.checkpoint.size import shape_of
from core.errors import QuorumError
from core.evaluate.game import asked_prompts
from core.hub.hub_id import HubId
from core.hub.snapshot import on_disk
from core.paths import user_path
from core.records.events import Looked
from core.records.looks import DeviceSeen, ModelSeen, Refusal, TextSeen
from core.records.spec import BUNDLED, RunSpec
from core.text.corpora import Corpus, is_here, read
from core.text.self_written.prompt_file import EACH, is_self_written
from core.text.tokens import token_pieces
from core.text.windows import settle_bos

# Tokens of a text, and chats of it, after which nobody counts on.
_TOKENS, _CHATS = 2**20, 200

_Seen = TypeVar("_Seen")


def look(spec: RunSpec) -> Looked:
    """What the model, the text and the device of a request are, or why they cannot be used."""
    found: ModelSeen | Refusal | None
    tokenizer = None
    try:
        found, checkpoint = _model(spec.model)
        tokenizer = checkpoint.tokenizer if checkpoint is not None else None
    except QuorumError as error:
        found = _refusal(error)
    return Looked(found, _or_refusal(lambda: _text(spec, tokenizer)), _or_refusal(lambda: device_seen(spec)))


def device_seen(spec: RunSpec) -> DeviceSeen:
    """What a request would be computed on.

    Raises:
        DeviceError: this machine has no such device.
    """
    device = choose_device(spec.device)
    return DeviceSeen(device, choose_dtype("auto", device), all_memory(device))


def _or_refusal(find: Callable[[], _Seen]) -> _Seen | Refusal:
    try:
        return find()
    except QuorumError as error:
        return _refusal(error)


def _refusal(error: QuorumError) -> Refusal:
    return Refusal(error.message, error.hint)


def _model(source: str) -> tuple[ModelSeen | None, Checkpoint | None]:
    """A model, with its files where they can be read as they are; nothing of one that is still to be downloaded."""
    path = user_path(source)
    packed = gguf.bundled_file() if source == BUNDLED else packed_in(path)
    if packed is None and not path.exists():
        asked, folder = HubId.of(source), on_disk(source)
        if folder is None and not constants.is_offline_mode():
            return None, None
        packed = folder / asked.file if folder is not None and asked.file else None
    if packed is not None:
        parts = parts_of(packed)
        check_counts(parts)
        return _packed(parts), locate(source) if gguf.prepared(parts) is not None else None
    checkpoint = locate(source)
    check_weights(source, checkpoint.config, checkpoint.folder)
    tensors, shape = headers(checkpoint.folder).values(), shape_of(source)
    seen = ModelSeen(
        str(checkpoint.config.model_type),
        checkpoint.layers,
        shape.parameters if shape is not None else sum(tensor.elements for tensor in tensors),
        sum(tensor.size for tensor in tensors),
        checkpoint.positions,
    )
    return seen, checkpoint


def _packed(parts: tuple[GgufHeader, ...]) -> ModelSeen:
    """The model of a GGUF file, as the file says."""
    values = parts[0].values
    family = str(values.get("general.architecture", "GGUF"))[:40]
    layers = values.get(f"{family}.block_count")
    tensors = [tensor for part in parts for tensor in part.tensors]
    size = sum(tensor.size for tensor in tensors)
    return ModelSeen(family, layers if isinstance(layers, int) else None, sum(t.elements for t in tensors), size)


def _text(spec: RunSpec, tokenizer: PreTrainedTokenizerBase | None) -> TextSeen | None:
    text = spec.text()
    if is_self_written(text.corpus):
        tokens = len(asked_prompts(replace(text, sequences=1, window=2))) * EACH // 2
        return TextSeen(0, tokens, True, settle_bos(tokenizer, text)[0] if tokenizer is not None else "none")
    if not is_here(text.corpus):
        return None
    corpus = read(text.corpus, text.split, text.field, text.preset)
    characters = len(corpus.text) + sum(len(each["content"]) for chat in corpus.chats for each in chat)
    if tokenizer is None:
        return TextSeen(characters, None, corpus.ended)
    tokens, ended = _count(corpus, tokenizer)
    return TextSeen(characters, tokens // 2 if corpus.halved else tokens, ended, settle_bos(tokenizer, text)[0])


def _count(corpus: Corpus, tokenizer: PreTrainedTokenizerBase) -> tuple[int, bool]:
    """The tokens of a text, or of its beginning; and whether that is all."""
    tokens, beginning = 0, replace(corpus, chats=corpus.chats[:_CHATS])
    for piece in token_pieces(beginning, tokenizer):
        if tokens >= _TOKENS:
            return tokens, False
        tokens += len(piece)
    return tokens, corpus.ended and len(beginning.chats) == len(corpus.chats)
