"""What the engine asks of a cache; `cache.store.Store` is one."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol as Interface

from core.masks import Masks
from core.results import Precision, RunResult
from core.types import Losses, ModelInfo, Protocol, RunSpec


class Store(Interface):
    """Keeps games, evaluations and runs; every call is complete when it returns."""

    def open_game(self, model: ModelInfo, protocol: Protocol) -> str: ...

    def claim(self, name: str) -> AbstractContextManager[bool]: ...

    def begin(self, game: str, spec: RunSpec, protocol: Protocol, strata: Sequence[int]) -> str: ...

    def known(self, game: str, masks: Masks) -> dict[int, Losses]: ...

    def record(self, game: str, measured: Sequence[tuple[str, Losses]]) -> None: ...

    def precision(self, game: str) -> Precision | None: ...

    def save_precision(self, game: str, precision: Precision) -> None: ...

    def save(self, result: RunResult, status: str) -> None: ...

    def close(self, run: str, status: str, message: str | None = None) -> None: ...
