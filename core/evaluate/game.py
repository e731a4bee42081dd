"""A model on a text: what coalitions are measured in; and opening it, with everything that can be wrong found early."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cached_property

from core.checkpoint.checkpoint import Checkpoint, locate
from core.checkpoint.device import choose_device, choose_dtype
from core.checkpoint.memory import give_back
from core.coalitions.players import players_of
from core.errors import CorpusError, EvaluationError
from core.evaluate.evaluator import Evaluator
from core.evaluate.limits import STATES
from core.evaluate.packing import PackedLinears
from core.model.model import LoadedModel, load
from core.records.events import Event, Stage
from core.records.spec import RunSpec, TextSpec
from core.records.storage import Store
from core.text.corpora import HUB, read, stamp
from core.text.windows import Windows, cut, excerpts


@dataclass(frozen=True)
class Game:
    """A loaded model and its windows, under the key of their evaluations in the store."""

    key: str
    loaded: LoadedModel
    windows: Windows

    @cached_property
    def packed(self) -> PackedLinears:
        return PackedLinears(self.loaded.model)

    @cached_property
    def evaluator(self) -> Evaluator:
        """For many coalitions."""
        return Evaluator(self.loaded, self.windows.ids, self.packed)

    @cached_property
    def preview(self) -> Evaluator:
        """For one coalition that somebody waits for. Only calibration windows are asked about again and again."""
        states = STATES if self.windows.protocol.split == "calibration" else 0
        return Evaluator(self.loaded, self.windows.ids, self.packed, states=states, growing=True)

    def check_same(self, game: str) -> None:
        """EvaluationError where this is not the game of that key: a run stands for a model and a text."""
        if self.key != game:
            raise EvaluationError("The model or the text has changed since this run measured it.", "Start a new run.")

    def release(self) -> None:
        """Gives back the memory of packed weights and hidden states; they are made again when they are needed."""
        for made in ("packed", "evaluator", "preview"):
            vars(self).pop(made, None)
        give_back()


class Games:
    """Opens games. Keeps the last model and the last game, since opening them is slow."""

    def __init__(self, store: Store) -> None:
        """`store` gives a game its key, and is told how its calibration sequences begin."""
        self._store = store
        self._model: tuple[object, LoadedModel] | None = None
        self._game: tuple[object, Game] | None = None

    def open(
        self, spec: RunSpec, text: TextSpec, check: Callable[[tuple[str, ...]], object]
    ) -> Generator[Event, None, Game]:
        """Opens a game, telling what takes a while.

        Args:
            spec: names the model, its dtype, its device and its players.
            text: the windows to measure on.
            check: is given the names of the players before the weights are read, and raises if they do not suit.

        Raises:
            QuorumError: whatever is wrong; what needs no download comes first, what needs the weights last.
        """
        dtype = choose_dtype(spec.dtype, choose_device(spec.device))
        if text.corpus not in HUB:
            read(text.corpus, text.split)
        yield Stage(f"Finding the model {spec.model}")
        checkpoint = locate(spec.model)
        if checkpoint.layers is not None:
            check(players_of(checkpoint.layers, spec.players, spec.protect))
        model = (checkpoint.folder, checkpoint.stamp, dtype, spec.device)
        request = (model, text, stamp(text.corpus), spec.players, spec.protect)
        if self._game is None or self._game[0] != request:
            yield Stage(f"Reading the text {text.corpus}")
            windows = cut(read(text.corpus, text.split), checkpoint.tokenizer, text)
            _check_length(checkpoint, windows)
            self._game = None
            if self._model is None or self._model[0] != model:
                yield Stage(f"Loading the model {spec.model}")
                self._model = None  # two models need not fit into memory at once
                self._model = model, load(checkpoint, dtype, spec.device)
            loaded = self._model[1]
            players = players_of(loaded.info.layers, spec.players, spec.protect)
            check(players)
            if players != loaded.info.players:
                yield Stage(f"Finding the players of {spec.model}")
                loaded = loaded.played_by(players)
                self._model = model, loaded  # with the halves of its blocks, if it had to look for them
            self._game = request, Game(self._store.open_game(loaded.info, windows.protocol), loaded, windows)
            if text.split == "calibration":
                texts = excerpts(checkpoint.tokenizer, windows)
                self._store.record_texts(loaded.info.fingerprint, windows.protocol.tokens, texts)
        return self._game[1]


def _check_length(checkpoint: Checkpoint, windows: Windows) -> None:
    """Learned positions end somewhere; beyond it, a forward would fail in the middle."""
    longest = getattr(checkpoint.config.get_text_config(), "max_position_embeddings", None)
    length = windows.ids.shape[1]
    if isinstance(longest, int) and 0 < longest < length:
        raise CorpusError(
            f"Windows of {length} tokens are too long: {checkpoint.source} has {longest} positions.",
            f"Use --window {longest - 1} or less.",
        )
