"""The pipeline, in order: game -> masks -> evaluation -> surrogate -> contributions.

A run is a generator of events, and that is its whole concurrency: whoever drives it may answer a preview between two
events, or close it. Everything that an event has reported is stored, so that a run can be killed at any time; started
again, it measures only what is missing and ends with the same numbers.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.baselines.compare import Match
from core.baselines.scoring import score
from core.cluster.kept import kept_by
from core.cluster.machines import Machines, check
from core.cluster.spread import replicas
from core.coalitions.masks import Masks, check_fit
from core.coalitions.players import indexes, mask_without
from core.errors import QuorumError
from core.evaluate.cached import all_divergences, all_losses, divergence_of
from core.evaluate.game import Games
from core.evaluate.perplexity import perplexity, running
from core.evaluate.reference import check_finite, check_whole
from core.export.recipes.recipe import Recipe
from core.pauses import Pause, nothing
from core.records.behaviour.speeds import SpeedProtocol
from core.records.events import Event, Measured, Planned, Scored, Selected, Started
from core.records.mends import Compensate
from core.records.spec import RunSpec, TextSpec
from core.records.storage import Store
from core.run.comparing import comparing
from core.run.compensating.one_removal import mended, unseen, with_patches
from core.run.course import Course, alone, claimed
from core.run.exporting import exporting
from core.run.searching import left_to_search, predicting_plans, searching
from core.run.tally import Tally
from core.sampling.samplers import begin, check_seed, check_size
from core.selection.targets import Request
from core.speed.timing import timing
from core.unfinished import sweep
from core.writing.behaviour import behaving, continuing

Names = Sequence[int | str]  # of players, or their places in a mask


class Engine:
    """Runs, single measurements and exports on one store."""

    def __init__(self, store: Store, between: Pause = nothing) -> None:
        """`between` is called after each coalition of a search or a comparison, and may raise to end it."""
        self._store = store
        self._between = between
        self._games = Games(store)
        sweep()

    def run(self, spec: RunSpec, *, search: bool = False, machines: Machines | None = None) -> Iterator[Event]:
        """Measures what is missing of a run, and estimates contributions as it goes on.

        Args:
            spec: the request.
            search: look for the best plans as well, unless that was done.
            machines: measure the coalitions on these; all else happens here.

        Raises:
            QuorumError: before any evaluation if the request is wrong; what has been stored stays in any case.
        """
        started = time.monotonic()
        check_size(spec)
        check(machines)
        game = yield from self._games.open(spec, spec.text(), check=lambda players: begin(spec, len(players)))
        info, protocol = game.loaded.info, game.windows.protocol
        strata, masks = begin(spec, len(info.players))
        with ExitStack() as held:
            yield from alone(held, self._store, game)
            spread = held.enter_context(replicas(game, spec.model, machines))
            run = self._store.begin(game.key, spec, protocol, strata)
            while not claimed(held, self._store, run):
                time.sleep(0.01)  # a reader, who looks whether the run is alive, holds it for a moment
            known, layers = game.ledger.look_up, game.loaded.layer_parameters
            tally = Tally(run, info, protocol, strata, spec, masks, known, layers, started)
            yield Started(run, tally.total)
            request = left_to_search(self._store, run, len(info.players)) if search else None
            course = Course(self._store, self._games, game, tally, request, self._between, spread, predicted=search)
            yield from self._whole(course, run)

    def measure(
        self, spec: RunSpec, text: TextSpec, removed: Names, *, kl: bool = False, compensate: Compensate | None = None
    ) -> Iterator[Event]:
        """The perplexity without some players; from the store if it is there.

        Args:
            spec: names the model, its dtype and its device.
            text: what it is measured on.
            removed: players to switch off, by name or by their places in a mask; none gives the dense model's.
            kl: also how far the predictions are from the dense model's.
            compensate: also after that (core.compensation), all of it on the part of the text that no fit has seen.

        Raises:
            QuorumError: before any forward if the request is wrong.
        """
        done, patches = (yield from mended(self._games, spec, text, removed, compensate)) if compensate else (None, {})
        text = unseen(text) if compensate else text
        game = yield from self._games.open(spec, text, check=lambda players: mask_without(players, removed))
        info, protocol = game.loaded.info, game.windows.protocol
        mask = mask_without(info.players, removed)
        known = game.ledger.look_up(np.stack([mask, np.ones_like(mask)]))
        losses = known.get(0)
        if losses is None:
            for losses in game.preview.stream(mask):
                check_finite(game.loaded, game.windows.ids, mask, losses)
                yield running(losses, len(game.windows.ids), known.get(1))
        assert losses is not None  # there is a sequence at least
        check_finite(game.loaded, game.windows.ids, mask, losses)
        mean = float(losses.mean(dtype=np.float64))
        divergence = (yield from divergence_of(game.preview, mask)) if kl else None
        places = indexes(info.players, removed)
        left = game.loaded.parameters_without(places)
        after = perplexity((yield from with_patches(game, mask, patches)) if patches else losses) if done else None
        yield Measured(places, perplexity(losses), mean, divergence, protocol, info, left, done, after)

    def evaluate(self, spec: RunSpec, masks: Masks) -> Generator[Event, None, NDArray[np.float32]]:
        """The losses of coalitions (masks, players) on the calibration windows, (masks, sequences).

        Raises:
            QuorumError: before any forward if the request is wrong, or after all of them if the whole model gives no
                numbers either where coalitions give none; what has been stored stays in any case.
        """
        check_seed(spec)
        game = yield from self._games.open(spec, spec.text(), partial(check_fit, masks))
        with ExitStack() as held:
            yield from alone(held, self._store, game)
            found = yield from all_losses(game.evaluator, masks)
            check_whole(game.loaded, game.windows.ids, masks, found)
            return found

    def continue_(self, spec: RunSpec, removed: Sequence[int], prompt: str, tokens: int) -> Iterator[Event]:
        """How the whole model and the one without some players go on after a prompt, token by token.

        Raises:
            QuorumError: before any forward if the request is wrong.
        """
        yield from continuing(self._games, spec, removed, prompt, tokens)

    def behave(self, spec: RunSpec, removed: Sequence[int], tokens: int, windows: int | None = None) -> Iterator[Event]:
        """What a pruned model writes, and where it agrees with the whole one on unseen text; errors as of `time`."""
        yield from behaving(self._store, self._games, spec, removed, tokens, windows)

    def time(
        self, spec: RunSpec, removed: Names, how: SpeedProtocol | None = None, folder: str | None = None
    ) -> Iterator[Event]:
        """How fast the whole model and one without some players write; or that in `folder`, which is not stored.

        Raises:
            QuorumError: before any forward if the request is wrong.
        """
        yield from timing(self._store, self._games, spec, removed, how or SpeedProtocol(), folder)

    def lend(self, work: Callable[[Store, Games], Generator[Event, None, Any]]) -> Generator[Event, None, Any]:
        """Lets `work` use the store, and the model that is in memory."""
        return work(self._store, self._games)

    def diverge(self, game: str, spec: RunSpec) -> Iterator[Event]:
        """Measures KL from the whole model's predictions for all coalitions of a run's game: the worth kl needs it.

        Raises:
            QuorumError: before any forward if the request is wrong; what has been stored stays in any case.
        """
        opened = yield from self._games.open(spec, spec.text(), check=lambda players: begin(spec, len(players)))
        opened.check_same(game)
        with ExitStack() as held:
            yield from alone(held, self._store, opened)
            yield from all_divergences(self._store, opened.key, opened.evaluator)

    def export(
        self,
        recipe: Recipe,
        out: Path,
        *,
        uncached: bool = False,
        most: float | None = None,
        finish: bool = False,
        owner: str | None = None,
    ) -> Iterator[Event]:
        """Writes a recipe's model without its layers, and measures it on text that choosing them has not used.

        Of a recipe that trains, `finish` writes the best state of a training that was stopped, and `owner`, a person
        who has logged in, is who may go on with it.

        Raises:
            QuorumError: a wrong request before anything is written; a failure later leaves nothing at `out`.
        """
        yield from exporting(self._store, self._games, recipe, out, uncached, most, finish, owner)

    def select(
        self, run: str, game: str, spec: RunSpec, request: Request, machines: Machines | None = None
    ) -> Iterator[Event]:
        """Searches for the best removals of every count, for a run and the key of its game.

        Races run on the run's own windows; finalists are settled on further windows of the same text, if it has them;
        `machines` measure, or this process. What plans are asked that needs no data comes last.

        Raises:
            QuorumError: before any evaluation if the request is wrong; what has been stored stays in any case.
        """
        check(machines)
        base = yield from self._games.open(spec, spec.text(), check=lambda players: request.check(len(players)))
        base.check_same(game)
        with ExitStack() as held:
            yield from alone(held, self._store, base)
            evaluators = kept_by(held.enter_context(replicas(base, spec.model, machines)), self._between)
            found = yield from searching(self._store, self._games, base, run, spec, request, self._between, evaluators)
        yield Planned(tuple(one.count for one in found.plans))
        yield from predicting_plans(self._store, self._games, spec, found)
        yield Selected(found)

    def compare(self, spec: RunSpec, match: Match, run: str | None = None) -> Iterator[Event]:
        """Lets methods choose layers on the calibration windows, and judges them on four times as many other ones.

        What is fitted, is fitted on further calibration windows. What is found is kept for `run`, if there is one.

        Raises:
            QuorumError: before any evaluation if the request is wrong; what has been stored stays in any case.
        """
        yield from comparing(self._store, self._games, spec, match, run, self._between)

    def score(self, run: str, game: str, spec: RunSpec) -> Iterator[Event]:
        """Scores every player of a run by the literature's criteria, and keeps that for the run."""
        opened = yield from self._games.open(spec, spec.text(), check=lambda players: begin(spec, len(players)))
        opened.check_same(game)
        yield Scored((yield from score(self._store, opened, run, self._between)))

    def _whole(self, course: Course, run: str) -> Iterator[Event]:
        """A claimed run from its coalitions to its end, which is put down in the store whatever it is."""
        try:
            yield from course.events()
        except (GeneratorExit, KeyboardInterrupt):
            if course.finished is None:
                self._store.close(run, "cancelled")
            raise
        except BaseException as failure:  # a panic of a library in Rust is no Exception
            message = failure.message if isinstance(failure, QuorumError) else repr(failure)
            if course.finished is None:
                self._store.close(run, "failed", message)
            raise
