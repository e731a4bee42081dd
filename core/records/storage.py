"""What the engine asks of a store; `cache.store.Store` is one."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple
from typing import Protocol as Interface

from core.coalitions.masks import Masks
from core.records.behaviour.needs import TaskNeeds
from core.records.behaviour.task_scores import Answer
from core.records.behaviour.traits import Trait, Traits
from core.records.diagnostics import Diagnostics
from core.records.mends import CompensatedPlans
from core.records.plans import Comparison, Scores, Selection
from core.records.results import Precision, RunResult
from core.records.spec import Losses, ModelInfo, RunSpec, TextProtocol


class Evaluation(NamedTuple):
    """What was measured of one coalition of a game."""

    mask: str  # '1' for a player who is there
    losses: Losses  # mean NLL of each sequence, nats a token
    divergences: Losses | None = None  # KL from the whole model's predictions, likewise, if it was asked for


class Store(Interface):
    """Keeps games, evaluations and runs; every call is complete when it returns."""

    def open_game(self, model: ModelInfo, protocol: TextProtocol) -> str:
        """The key of a model on a text, known from now on: all evaluations under one key compare."""
        ...

    def record_texts(self, fingerprint: str, tokens: str, texts: Sequence[str]) -> None:
        """Keeps how the sequences of some tokens begin, as the model of that fingerprint reads them."""
        ...

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """Whether this process alone may measure a game, or a run, for as long as the context lasts."""
        ...

    def begin(self, game: str, spec: RunSpec, protocol: TextProtocol, strata: Sequence[int]) -> str:
        """Marks a run as running, new or resumed, and names it: the same request gets the same name."""
        ...

    def known(self, game: str, masks: Masks) -> dict[int, Evaluation]:
        """What is stored of masks (masks, players), by row."""
        ...

    def measured(self, game: str) -> dict[str, Evaluation]:
        """Everything that is stored of a game, by mask."""
        ...

    def record(self, game: str, measured: Sequence[Evaluation]) -> None:
        """Keeps evaluations, losses and divergences in one transaction; what is there already stays as it is."""
        ...

    def rises_elsewhere(self, game: str) -> list[dict[str, float]]:
        """For each other text that was calibrated on, by mask, how much the mean loss of a game's model rises."""
        ...

    def answers(self, model: ModelInfo, mask: str, items: Sequence[str]) -> dict[str, Answer]:
        """What is stored of a model without some players, by the digests of items."""
        ...

    def record_answers(self, model: ModelInfo, fresh: Mapping[str, Mapping[str, Answer]]) -> None:
        """Keeps answers by masks and the digests of items, in one transaction; what is there already stays as it is."""
        ...

    def traits(self, model: ModelInfo, masks: Sequence[str]) -> dict[str, Traits]:
        """What else is stored of a model without some players, by each mask; of some that is nothing."""
        ...

    def record_traits(self, model: ModelInfo, mask: str, *found: Trait) -> None:
        """Keeps what was measured of a model without some players, in place of what was measured in the same way."""
        ...

    def record_needs(self, run: str, needs: Sequence[TaskNeeds]) -> None:
        """Keeps which layers tasks need, by a run's coalitions, in place of what was known of the same tasks."""
        ...

    def selection(self, run: str, protected: Sequence[int]) -> Selection | None:
        """What a search found for a run with these players protected, if there was one."""
        ...

    def save_selection(self, run: str, selection: Selection) -> None:
        """Keeps what a search found for a run, in place of an earlier one with the same players protected."""
        ...

    def compensated(
        self, run: str, protected: Sequence[int], how: str, judged: str, fitted: str | None = None
    ) -> CompensatedPlans | None:
        """What is known of a search's finalists compensated in one way, with these players protected.

        `judged` and `fitted` name the windows by their fingerprints; None: the fits that were made last.
        """
        ...

    def save_compensated(self, run: str, found: CompensatedPlans) -> None:
        """Keeps that, in place of what was known of it."""
        ...

    def save_comparison(self, run: str, comparison: Comparison) -> None:
        """Keeps how methods compared for a run, in place of what was known of it."""
        ...

    def save_scores(self, run: str, scores: Scores) -> None:
        """Keeps what the literature's criteria say of a run's players, in place of what was known of it."""
        ...

    def precision(self, game: str) -> Precision | None:
        """What 16 bits cost in a game, if it was measured."""
        ...

    def save_precision(self, game: str, precision: Precision) -> None:
        """Keeps what 16 bits cost, for every run of the game."""
        ...

    def save_diagnostics(self, run: str, diagnostics: Diagnostics) -> None:
        """Keeps how far a run's surrogates can be trusted, in place of what was known of it."""
        ...

    def save(self, result: RunResult, status: str) -> None:
        """Keeps what a run has found, with its status: running, or finished."""
        ...

    def close(self, run: str, status: str, message: str | None = None) -> None:
        """Marks a run as cancelled or failed, with the reason; its last result stays."""
        ...
