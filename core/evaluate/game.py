"""A model on a text: what coalitions are measured in; and opening it, with everything that can be wrong found early."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from weakref import WeakValueDictionary

from core.checkpoint.checkpoint import Checkpoint, finding
from core.checkpoint.device import choose_device, choose_dtype
from core.checkpoint.memory import give_back
from core.coalitions.players import players_of
from core.errors import CorpusError, EvaluationError, ModelError
from core.evaluate.cached import Cached, Ledger
from core.evaluate.continuing.own_text import own_corpus
from core.evaluate.evaluator import Evaluator
from core.evaluate.packing import PackedLinears
from core.model.model import LoadedModel, load
from core.records.events import Event, Stage
from core.records.spec import RunSpec, TextSpec
from core.records.storage import Store
from core.text.corpora import Corpus, check_length, is_local, read, stamp
from core.text.self_written.prompt_file import check_prompts, is_self_written, prompts_of
from core.text.tokens import check_known
from core.text.windows import Windows, check_cut, cutting, excerpts

_TOLD = 8  # pieces of a long text, after which it is told how far it is


@dataclass(frozen=True)
class Game:
    """A loaded model and its windows, with what is known of their evaluations under the key of the store."""

    key: str
    loaded: LoadedModel
    windows: Windows
    ledger: Ledger

    @cached_property
    def packed(self) -> PackedLinears:
        return PackedLinears(self.loaded.model)

    @cached_property
    def evaluator(self) -> Cached:
        """For many coalitions."""
        return Cached(self.ledger, Evaluator(self.loaded, self.windows.ids, self.packed))

    @cached_property
    def preview(self) -> Cached:
        """For one coalition that somebody waits for."""
        # Only calibration windows are asked about again and again.
        states = None if self.windows.protocol.split == "calibration" else 0
        return Cached(self.ledger, Evaluator(self.loaded, self.windows.ids, self.packed, states=states, growing=True))

    def check_same(self, game: str) -> None:
        """EvaluationError where this is not the game of that key: a run stands for a model and a text."""
        if self.key != game:
            raise EvaluationError("The model or the text has changed since this run measured it.", "Start a new run.")

    def release(self) -> None:
        """Gives back the memory of packed weights and hidden states; they are made again when they are needed."""
        for made in ("packed", "evaluator", "preview"):
            vars(self).pop(made, None)
        give_back()


def weights_of(spec: RunSpec) -> tuple[str, str, str]:
    """What of a request says which weights are in memory, and how: the model, its dtype and its device."""
    return spec.model, choose_dtype(spec.dtype, choose_device(spec.device)), spec.device


class Games:
    """Opens games. Keeps the last model and the last game, since opening them is slow."""

    def __init__(self, store: Store) -> None:
        """`store` gives a game its key, and is told how its calibration sequences begin."""
        self._store = store
        self._model: tuple[object, LoadedModel] | None = None
        self._game: tuple[object, object, Game] | None = None
        self._ledgers: WeakValueDictionary[str, Ledger] = WeakValueDictionary()  # of games that somebody measures

    def open(
        self, spec: RunSpec, text: TextSpec, check: Callable[[tuple[str, ...]], object]
    ) -> Generator[Event, None, Game]:
        """Opens a game, telling what takes a while; the same one again costs one look at each of its files.

        Args:
            spec: names the model, its dtype, its device and its players.
            text: the windows to measure on.
            check: is given the names of the players before the weights are read, and raises if they do not suit.

        Raises:
            QuorumError: whatever is wrong; what needs no download comes first, what needs the weights last.
        """
        request = weights_of(spec), text, spec.players, spec.protect
        if self._game is not None and self._game[0] == request:
            _, files, game = self._game
            if files is not None and files == _files(game.loaded.checkpoint, text):
                check(game.loaded.info.players)
                return game
        prompts = asked_prompts(text) if is_self_written(text.corpus) else ()
        corpus = _read(text) if is_local(text.corpus) and not prompts else None
        yield Stage(f"Finding the model {spec.model}")
        checkpoint = yield from finding(spec.model)
        if checkpoint.layers is not None:
            check(players_of(checkpoint.layers, spec.players, spec.protect))
        if prompts:  # to be written by the loaded model, which takes minutes
            bos, _ = check_cut(checkpoint.tokenizer, text, halved=text.split != "whole")
            check_length(text.window + (bos == "window"), checkpoint.positions, checkpoint.source)
        else:
            yield Stage(f"Reading the text {text.corpus}")
            windows = yield from _windows(corpus or _read(text), checkpoint, text)
        self._game = None
        loaded = yield from self._load(checkpoint, spec)
        check(loaded.info.players)
        if prompts:
            windows = yield from _windows((yield from own_corpus(loaded, text, prompts)), checkpoint, text)
        key = self._store.open_game(loaded.info, windows.protocol)
        ledger = self._ledgers.get(key) or Ledger(self._store, key)
        self._ledgers[key] = ledger
        game = Game(key, loaded, windows, ledger)
        self._game = request, _files(checkpoint, text), game
        if text.split == "calibration":
            texts = excerpts(checkpoint.tokenizer, windows)
            self._store.record_texts(loaded.info.fingerprint, windows.protocol.tokens, texts)
        return game

    def model(self, spec: RunSpec, check: Callable[[tuple[str, ...]], object]) -> Generator[Event, None, LoadedModel]:
        """The model alone, for what needs no windows.

        Args:
            spec: names the model, its dtype, its device and its players.
            check: as of `open`.

        Raises:
            QuorumError: as `open`.
        """
        yield Stage(f"Finding the model {spec.model}")
        checkpoint = yield from finding(spec.model)
        if checkpoint.layers is not None:
            check(players_of(checkpoint.layers, spec.players, spec.protect))
        if self._model is not None and self._model[0] != self._request(checkpoint, spec):
            self._game = None  # two models need not fit into memory at once
        loaded = yield from self._load(checkpoint, spec)
        check(loaded.info.players)
        return loaded

    def forget(self) -> None:
        """Gives back the memory of the model and its game; they are opened again when they are asked for."""
        self._game = self._model = None
        give_back()

    def _request(self, checkpoint: Checkpoint, spec: RunSpec) -> object:
        return checkpoint.folder, checkpoint.stamp, *weights_of(spec)[1:]

    def _load(self, checkpoint: Checkpoint, spec: RunSpec) -> Generator[Event, None, LoadedModel]:
        """The model with its players; from memory if its files are what they were."""
        _, dtype, device = weights_of(spec)
        request = self._request(checkpoint, spec)
        if self._model is None or self._model[0] != request:
            yield Stage(f"Loading the model {spec.model}")
            self._model = None  # two models need not fit into memory at once
            self._model = request, load(checkpoint, dtype, device)
        loaded = self._model[1]
        players = players_of(loaded.info.layers, spec.players, spec.protect)
        if players != loaded.info.players:
            yield Stage(f"Finding the players of {spec.model}")
            loaded = loaded.played_by(players)
            self._model = request, loaded  # with the halves of its blocks, if it had to look for them
        return loaded


def check_written(*texts: TextSpec) -> None:
    """CorpusError where the model would write some of these texts and they cannot be had: before it writes any."""
    for text in texts:
        if is_self_written(text.corpus):
            asked_prompts(text)


def asked_prompts(text: TextSpec) -> tuple[str, ...]:
    """The prompts of a text that the model writes; CorpusError where they, or what is asked of it, cannot be."""
    if text.field:
        raise CorpusError(f"{text.corpus} is plain text and has no field {text.field}.", "Leave --field out.")
    prompts = prompts_of(text.corpus)
    check_prompts(text.corpus, text.split, len(prompts), text.sequences, text.window)
    return prompts


def _read(text: TextSpec) -> Corpus:
    return read(text.corpus, text.split, text.field, text.preset)


def _windows(corpus: Corpus, checkpoint: Checkpoint, text: TextSpec) -> Generator[Event, None, Windows]:
    """The windows of a text, if the model can take them; tells what was left out of it, and how far it is."""
    if corpus.left_out:
        yield Stage(f"{corpus.name} has rows {corpus.left_out}")
    windows = yield from _told(cutting(corpus, checkpoint.tokenizer, text), text.corpus)
    embedded = getattr(checkpoint.config.get_text_config(), "vocab_size", None)
    check_known(windows.ids, checkpoint.tokenizer, embedded, checkpoint.source)
    check_length(windows.ids.shape[1], checkpoint.positions, checkpoint.source)
    return windows


def _told(making: Generator[int, None, Windows], name: str) -> Generator[Event, None, Windows]:
    """What is made, telling now and then how far it is."""
    for piece in count(1):
        try:
            tokens = next(making)
        except StopIteration as done:
            made: Windows = done.value
            return made
        if piece % _TOLD == 0:
            yield Stage(f"Reading the text {name}: {tokens:,} tokens")
    raise AssertionError


def _files(checkpoint: Checkpoint, text: TextSpec) -> object | None:
    """Changes when a file of the model or of the text does; None where one is gone."""
    try:
        return checkpoint.stamp, stamp(text.corpus)
    except (OSError, ModelError):  # opening the game anew says which, and what to do
        return None
