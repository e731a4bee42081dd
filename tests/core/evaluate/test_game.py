"""Opening a game: the same one again costs a look at its files; a changed one is opened anew."""

import os
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cache.database import Database
from cache.store import Store
from core.errors import CorpusError, ModelNotFound, SelectionError
from core.evaluate import game as module
from core.evaluate.game import Game, Games
from core.records.events import Event, Stage
from core.records.spec import RunSpec
from tests.support.models import save_model

Open = Callable[..., tuple[Game, list[str]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(tmp_path / "model")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "tale.txt"
    file.write_text(" ".join(f"The {n}th traveller told a tale of {n * n} winters." for n in range(300)))
    return file


@pytest.fixture
def spec(folder: Path, text: Path) -> RunSpec:
    return RunSpec(model=str(folder), corpus=str(text), sequences=4, window=16, dtype="float32")


@pytest.fixture
def opened(cache_file: Path) -> Open:
    games = Games(Store(Database(cache_file)))

    def call(spec: RunSpec, check: Callable[[tuple[str, ...]], object] = len) -> tuple[Game, list[str]]:
        """The game, and what was said on the way."""
        said: list[str] = []
        events: Generator[Event, None, Game] = games.open(spec, spec.text(), check)
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                return end.value, said
            assert isinstance(event, Stage)
            said.append(event.text)

    return call


def test_a_warm_game_neither_finds_the_model_nor_reads_the_text(
    opened: Open, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, said = opened(spec)
    assert len(said) == 3

    def forbidden(*_: Any) -> None:
        raise AssertionError("a warm what-if looks at dates alone")

    for name in ("finding", "read", "load", "cutting"):
        monkeypatch.setattr(module, name, forbidden)
    assert opened(spec) == (first, [])


def test_a_warm_game_still_checks_the_request(opened: Open, spec: RunSpec) -> None:
    opened(spec)

    def refuse(players: tuple[str, ...]) -> None:
        raise SelectionError(f"{len(players)} do not suit.", "Ask for others.")

    with pytest.raises(SelectionError, match="8 do not suit"):
        opened(spec, refuse)


def test_a_text_that_has_changed_is_another_game(opened: Open, spec: RunSpec, text: Path) -> None:
    first, _ = opened(spec)
    text.write_text(text.read_text()[::-1])
    os.utime(text, ns=(1, 1))  # also where a clock is too coarse to tell
    second, said = opened(spec)
    assert second.key != first.key and second.loaded is first.loaded
    assert not any(text.startswith("Loading") for text in said)


def test_a_model_that_has_changed_is_loaded_again(opened: Open, spec: RunSpec, folder: Path) -> None:
    first, _ = opened(spec)
    save_model(folder, seed=1)
    os.utime(folder / "model.safetensors", ns=(1, 1))
    second, said = opened(spec)
    assert second.key != first.key and any(text.startswith("Loading") for text in said)


@pytest.mark.parametrize("gone", ["model.safetensors", "config.json", ""])
def test_a_file_that_is_gone_is_said(opened: Open, spec: RunSpec, folder: Path, text: Path, gone: str) -> None:
    opened(spec)
    (folder / gone).rename(folder.with_suffix(".gone"))
    with pytest.raises(ModelNotFound):
        opened(spec)
    text.unlink()
    with pytest.raises(CorpusError):
        opened(spec)


@pytest.mark.parametrize("change", [{"players": "group:2"}, {"protect": (0,)}, {"seed": 1}, {"window": 8}])
def test_another_request_is_another_game_of_the_same_weights(
    opened: Open, spec: RunSpec, change: dict[str, Any]
) -> None:
    first, _ = opened(spec)
    second, said = opened(replace(spec, **change))
    assert second.key != first.key and second.loaded.model is first.loaded.model
    assert not any(text.startswith("Loading") for text in said)


def test_who_measures_the_same_game_shares_its_ledger(opened: Open, spec: RunSpec) -> None:
    """Also where another game has been opened in between, as by a what-if during a run."""
    first, _ = opened(spec)
    opened(replace(spec, seed=1))
    again, _ = opened(spec)
    assert again is not first and again.ledger is first.ledger
