"""What the engine asks of a store; `cache.store.Store` is one."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple
from typing import Protocol as Interface

from core.coalitions.masks import Masks
from core.records.diagnostics import Diagnostics
from core.records.plans import Comparison, Scores, Selection
from core.records.results import Precision, RunResult
from core.records.spec import Losses, ModelInfo, Protocol, RunSpec


class Evaluation(NamedTuple):
    """What was measured of one coalition of a game."""

    mask: str  # '1' for a player who is there
    losses: Losses  # mean NLL of each sequence, nats a token
    divergences: Losses | None = None  # KL from the whole model's predictions, likewise, if it was asked for


class Store(Interface):
    """Keeps games, evaluations and runs; every call is complete when it returns."""

    def open_game(self, model: ModelInfo, protocol: Protocol) -> str: ...

    def record_texts(self, fingerprint: str, tokens: str, texts: Sequence[str]) -> None: ...

    def claim(self, name: str) -> AbstractContextManager[bool]: ...

    def begin(self, game: str, spec: RunSpec, protocol: Protocol, strata: Sequence[int]) -> str: ...

    def known(self, game: str, masks: Masks) -> dict[int, Evaluation]: ...

    def measured(self, game: str) -> dict[str, Evaluation]: ...

    def record(self, game: str, measured: Sequence[Evaluation]) -> None: ...

    def save_selection(self, run: str, selection: Selection) -> None: ...

    def save_comparison(self, run: str, comparison: Comparison) -> None: ...

    def save_scores(self, run: str, scores: Scores) -> None: ...

    def precision(self, game: str) -> Precision | None: ...

    def save_precision(self, game: str, precision: Precision) -> None: ...

    def save_diagnostics(self, run: str, diagnostics: Diagnostics) -> None: ...

    def save(self, result: RunResult, status: str) -> None: ...

    def close(self, run: str, status: str, message: str | None = None) -> None: ...
