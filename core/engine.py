"""The pipeline, in order: text -> model -> windows -> masks -> evaluation -> surrogate -> contributions.

A run is a generator of events, and that is its whole concurrency: whoever drives it may answer a preview between two
events, or close it. Everything that an event has reported is stored, so that a run can be killed at any time; started
again, it measures only what is missing and ends with the same numbers.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from core.corpora import read
from core.errors import EvaluationError, QuorumError, SelectionError
from core.evaluation import Evaluator, batch_losses, perplexity
from core.export import check_target, export
from core.masks import Masks, default_strata, encode, stratified, without
from core.model import Checkpoint, LoadedModel, load, locate
from core.surrogate import FEWEST_MASKS
from core.tally import Tally
from core.types import (
    Estimated,
    Event,
    Exported,
    Finished,
    Losses,
    Measured,
    ModelInfo,
    Progress,
    Protocol,
    RunResult,
    RunSpec,
    Stage,
    Started,
    TextSpec,
)
from core.windows import Windows, cut

# Contributions are estimated anew each time that this share of the masks has been added.
_REFIT = 0.2
_FLUSH_SECONDS = 1.0


class Store(Interface):
    """What the engine asks of a cache; `cache.store.Store` is one."""

    def open_game(self, model: ModelInfo, protocol: Protocol) -> str: ...

    def claim(self, game: str) -> AbstractContextManager[bool]: ...

    def begin(self, game: str, spec: RunSpec, protocol: Protocol, strata: Sequence[int]) -> str: ...

    def known(self, game: str, masks: Masks) -> dict[int, Losses]: ...

    def record(self, game: str, measured: Sequence[tuple[str, Losses]]) -> None: ...

    def save(self, result: RunResult, status: str) -> None: ...

    def close(self, run: str, status: str, message: str | None = None) -> None: ...


@dataclass(frozen=True)
class Game:
    """A model on a text: what coalitions are measured in."""

    key: str
    loaded: LoadedModel
    windows: Windows

    @cached_property
    def evaluator(self) -> Evaluator:
        return Evaluator(self.loaded, self.windows.ids)


class Engine:
    """Runs and single measurements on one store. Keeps the last model and the last game, since opening them is slow."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._model: tuple[object, LoadedModel] | None = None
        self._game: tuple[object, Game] | None = None

    def run(self, spec: RunSpec) -> Iterator[Event]:
        """Measures what is missing of a run, and estimates contributions as it goes on.

        Raises:
            QuorumError: before any evaluation if the request is wrong; what has been stored stays in any case.
        """
        started = time.monotonic()

        def sample(layers: int) -> tuple[tuple[int, ...], Masks]:
            if spec.masks < FEWEST_MASKS:
                raise SelectionError(
                    f"{spec.masks} masks are too few to learn from.", f"Ask for at least {FEWEST_MASKS}; 300 is usual."
                )
            strata = spec.strata or default_strata(layers)
            return strata, stratified(layers, strata, spec.masks, spec.seed)

        game = yield from self._open(spec, spec.text(), check=sample)
        info, protocol = game.loaded.info, game.windows.protocol
        strata, drawn = sample(info.layers)
        masks = np.concatenate([np.ones((1, info.layers), dtype=np.bool_), drawn])
        claimed = False
        while not claimed:
            with self._store.claim(game.key) as claimed:
                if claimed:
                    run = self._store.begin(game.key, spec, protocol, strata)
                    yield Started(run, len(masks))
                    known = self._store.known(game.key, masks)
                    tally = Tally(run, info, protocol, strata, spec.seed, masks, known, started)
                    yield from self._settling(tally, game)
            if not claimed:
                yield Stage("Another process measures this model on this text; waiting for it")
                time.sleep(0.5)

    def measure(self, spec: RunSpec, text: TextSpec, removed: Sequence[int]) -> Iterator[Event]:
        """The perplexity without some layers, by the model's own forward; from the store if it is there.

        Args:
            spec: names the model, its dtype and its device.
            text: what it is measured on.
            removed: layers to skip; none gives the dense model's.

        Raises:
            QuorumError: before any forward if the request is wrong.
        """
        game = yield from self._open(spec, text, check=lambda layers: without(layers, removed))
        info, protocol, ids = game.loaded.info, game.windows.protocol, game.windows.ids
        mask = without(info.layers, removed)
        known = self._store.known(game.key, mask[None])
        if known:
            losses = known[0]
        else:
            parts: list[Losses] = []
            begun = time.monotonic()
            for part in batch_losses(game.loaded, ids, mask):
                parts.append(part)
                done = sum(map(len, parts))
                rate = done / (time.monotonic() - begun)
                yield Progress(done, len(ids), 0, rate, (len(ids) - done) / rate)
            losses = np.concatenate(parts)
            self._store.record(game.key, [(encode(mask), losses)])
        mean = float(losses.mean(dtype=np.float64))
        yield Measured(tuple(sorted(removed)), perplexity(losses), mean, protocol, info)

    def export(self, run: str, spec: RunSpec, removed: Sequence[int], out: Path) -> Iterator[Event]:
        """Writes the run's model without some layers, and measures it on text that the run has not used.

        Raises:
            QuorumError: a wrong request before anything is written; a failure later leaves nothing at `out`.
        """
        out = check_target(out)
        game = yield from self._open(spec, spec.text("evaluation"), check=lambda layers: without(layers, removed))
        yield Stage(f"Writing, reloading and measuring {out.name}")
        losses = export(game.loaded, game.windows, removed, out, run)
        yield Exported(str(out), tuple(sorted(removed)), perplexity(losses), game.windows.protocol)

    def _open(self, spec: RunSpec, text: TextSpec, check: Callable[[int], object]) -> Generator[Event, None, Game]:
        """Opens a game. What can be wrong without the weights is found first: `check` raises, given the layers."""
        corpus = read(text.corpus, text.split)
        yield Stage(f"Finding the model {spec.model}")
        checkpoint = locate(spec.model)
        if checkpoint.layers is not None:
            check(checkpoint.layers)
        loaded = yield from self._load(checkpoint, spec)
        windows = cut(corpus, loaded.tokenizer, text)
        if self._game is None or self._game[0] != (loaded.info, windows.protocol):
            self._game = None
            key = self._store.open_game(loaded.info, windows.protocol)
            self._game = (loaded.info, windows.protocol), Game(key, loaded, windows)
        return self._game[1]

    def _load(self, checkpoint: Checkpoint, spec: RunSpec) -> Generator[Event, None, LoadedModel]:
        wanted = (checkpoint.folder, checkpoint.stamp, spec.dtype, spec.device)
        if self._model is None or self._model[0] != wanted:
            yield Stage(f"Loading the model {spec.model}")
            self._model = self._game = None  # two models need not fit into memory at once
            self._model = wanted, load(checkpoint, spec.dtype, spec.device)
        return self._model[1]

    def _settling(self, tally: Tally, game: Game) -> Iterator[Event]:
        """The measuring of a claimed run, with its end put down in the store whatever it is."""
        try:
            yield from self._measuring(tally, game)
        except (GeneratorExit, KeyboardInterrupt):
            self._store.close(tally.run, "cancelled")
            raise
        except Exception as failure:
            message = failure.message if isinstance(failure, QuorumError) else repr(failure)
            self._store.close(tally.run, "failed", message)
            raise

    def _measuring(self, tally: Tally, game: Game) -> Iterator[Event]:
        refit_at = 0
        yield tally.progress()
        for rows in tally.rounds():
            for _ in self._stored(tally, game, rows):
                yield tally.progress()
                if len(tally.losses) >= refit_at:
                    result = tally.result(final=False)
                    refit_at = len(tally.losses) + int(_REFIT * len(tally.masks))
                    if result is not None:
                        self._store.save(result, "running")
                        yield Estimated(result)
        yield tally.progress()
        yield Stage("Estimating contributions")
        result = tally.result(final=True)
        if result is None:
            raise EvaluationError(
                f"Only {len(tally.scores()[1])} of {len(tally.masks) - 1} masks have a loss that is a number.",
                "Use more masks; if losses are NaN, try --dtype float32.",
            )
        self._store.save(result, "finished")
        yield Finished(result)

    def _stored(self, tally: Tally, game: Game, rows: NDArray[np.int64]) -> Iterator[None]:
        """Evaluates rows of the tally, and yields each time that what was measured has been stored."""
        unstored: list[tuple[int, Losses]] = []
        stored_at = time.monotonic()
        try:
            for index, losses in game.evaluator.losses(tally.masks[rows]):
                unstored.append((int(rows[index]), losses))
                if time.monotonic() - stored_at > _FLUSH_SECONDS:
                    self._store_all(tally, game, unstored)
                    yield
                    stored_at = time.monotonic()
        finally:
            self._store_all(tally, game, unstored)

    def _store_all(self, tally: Tally, game: Game, unstored: list[tuple[int, Losses]]) -> None:
        """Stores evaluations first and counts them second: what is counted is never lost."""
        if unstored:
            self._store.record(game.key, [(encode(tally.masks[row]), losses) for row, losses in unstored])
            tally.losses.update(unstored)
            unstored.clear()
