"""Nothing is told before it is stored, nothing known is measured again, and a mask's two figures are stored as one."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cache.database import Database
from cache.store import Store
from core.coalitions.masks import Masks, encode, everything
from core.evaluate.cached import Cached, Ledger
from core.evaluate.evaluator import Wanted, always
from core.records.spec import Losses, ModelInfo, TextProtocol
from core.records.storage import Evaluation

MODEL = ModelInfo("tiny", "LlamaForCausalLM", 4, 1000, "f" * 16, "float32", "cpu")
PROTOCOL = TextProtocol("tale.txt", "calibration", 8, 8, "none", 3, 0, "a" * 16)
MASKS = everything(4)


class Counting:
    """An evaluator whose losses follow from the mask, and which notes whom it was asked for."""

    heads = 1.0

    def __init__(self) -> None:
        self.asked: list[str] = []

    def losses(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]:
        for row in reversed(range(len(masks))):
            if wanted(row):
                self.asked.append(encode(masks[row]))
                yield row, np.full(3, 1 + (~masks[row]).sum(), np.float32)

    def with_divergences(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]:
        for row, losses in self.losses(masks, wanted):
            yield row, np.stack([losses, losses - 1])


class Committing(Store):
    """A store that notes what comes in one transaction, and fails when it is told to."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.transactions: list[list[Evaluation]] = []
        self.full = False

    def record(self, game: str, measured: Sequence[Evaluation]) -> None:
        if self.full:
            raise OSError("no space left on the device")
        super().record(game, measured)
        self.transactions.append(list(measured))


@pytest.fixture
def store(cache_file: Path) -> Committing:
    return Committing(Database(cache_file))


@pytest.fixture(params=[0, math.inf], ids=["each", "all"])
def flush(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """A transaction for each mask, or one for all."""
    monkeypatch.setattr("core.evaluate.cached._PARTS", request.param)
    return float(request.param)


def opened(store: Store) -> tuple[str, Cached, Counting]:
    game, evaluator = store.open_game(MODEL, PROTOCOL), Counting()
    return game, Cached(Ledger(store, game), evaluator), evaluator


def test_what_is_told_is_stored(store: Committing, flush: float) -> None:
    game, evaluator, _ = opened(store)
    told = set()
    for row, losses in evaluator.losses(MASKS):
        told.add(row)
        assert store.known(game, MASKS[[row]])[0].losses.tolist() == losses.tolist() == [1 + (~MASKS[row]).sum()] * 3
    assert told == set(range(16))
    assert len(store.transactions) == (1 if flush else 16)


@pytest.mark.parametrize("storing, transactions", [(0.01, [1] * 16), (0.25, [1, 3, 3, 3, 3, 3]), (9.0, [1, 15])])
def test_storing_takes_a_tenth_of_the_time_at_most(
    store: Committing, monkeypatch: pytest.MonkeyPatch, storing: float, transactions: list[int]
) -> None:
    """By a clock on which measuring a mask takes a second: the first is stored at once, the last at the end."""
    now = 0.0

    def pass_by(seconds: float) -> None:
        nonlocal now
        now += seconds

    class Slow(Counting):
        def losses(self, masks: Masks, wanted: Wanted = always) -> Iterator[tuple[int, Losses]]:
            for item in super().losses(masks, wanted):
                pass_by(1.0)
                yield item

    monkeypatch.setattr("core.evaluate.cached.time", SimpleNamespace(monotonic=lambda: now))
    record = store.record
    monkeypatch.setattr(store, "record", lambda game, rows: (pass_by(storing), record(game, rows)))
    list(Cached(Ledger(store, store.open_game(MODEL, PROTOCOL)), Slow()).losses(MASKS))
    assert [len(rows) for rows in store.transactions] == transactions


def test_what_is_known_is_not_measured_again(store: Committing, flush: float) -> None:
    _, evaluator, counting = opened(store)
    first = dict(evaluator.losses(MASKS[:6]))
    _, second, again = opened(store)  # another process
    both = dict(second.losses(MASKS))
    assert len(counting.asked) == 6 and len(again.asked) == 10
    assert all(both[row].tolist() == first[row].tolist() for row in first)


@pytest.mark.parametrize("broken_off", [0, 1, 5])
def test_broken_off_at_any_point_it_keeps_what_was_measured(store: Committing, flush: float, broken_off: int) -> None:
    game, evaluator, counting = opened(store)
    walk = evaluator.losses(MASKS)
    for _ in range(broken_off):
        next(walk)
    walk.close()
    assert {*store.measured(game)} == {*counting.asked}
    assert len(dict(evaluator.losses(MASKS))) == 16 and len(counting.asked) == 16


def test_a_store_that_fails_tells_nothing(store: Committing, flush: float) -> None:
    game, evaluator, _ = opened(store)
    store.full = True
    told = []
    with pytest.raises(OSError, match="no space"):
        told += evaluator.losses(MASKS)
    store.full = False
    assert told == [] and store.measured(game) == {}
    assert len(dict(evaluator.losses(MASKS))) == 16


def test_losses_and_divergences_of_a_mask_are_one_transaction(store: Committing, flush: float) -> None:
    game, evaluator, _ = opened(store)
    found = dict(evaluator.with_divergences(MASKS))
    assert all(item.divergences is not None for items in store.transactions for item in items)
    for row, item in store.known(game, MASKS).items():
        assert np.stack([item.losses, item.divergences]).tolist() == found[row].tolist()
    with store._database.reading() as connection:
        assert [len(connection.table(name)) for name in ("evaluations", "divergences")] == [16, 16]


def test_a_divergence_asked_for_later_leaves_the_loss_as_it_was(store: Committing) -> None:
    game, evaluator, counting = opened(store)
    store.record(game, [Evaluation(encode(MASKS[3]), np.full(3, 7.0, np.float32))])
    assert dict(evaluator.losses(MASKS[3:4]))[0].tolist() == [7.0] * 3 and counting.asked == []
    list(evaluator.with_divergences(MASKS[3:4]))
    [known] = store.measured(game).values()
    assert known.losses.tolist() == [7.0] * 3 and known.divergences is not None
    assert evaluator.ledger.losses(encode(MASKS[3])).tolist() == [7.0] * 3


def test_what_somebody_measures_meanwhile_is_not_measured_again(store: Committing, flush: float) -> None:
    """A what-if between two coalitions of a run: both have the ledger of the game."""
    game, run, counting = opened(store)
    other = Cached(run.ledger, Counting())
    walk = run.batches(MASKS)
    told = dict(next(walk)) if not flush else {}
    [(_, losses)] = other.losses(MASKS[[2]])
    told |= {row: found for rows in walk for row, found in rows}
    assert sorted(told) == list(range(16)) and told[2].tolist() == losses.tolist()
    assert encode(MASKS[2]) not in counting.asked
    assert len(store.measured(game)) == 16


def test_a_ledger_alone_asks_once(store: Committing, monkeypatch: pytest.MonkeyPatch) -> None:
    game, evaluator, counting = opened(store)
    list(evaluator.with_divergences(MASKS[:4]))
    alone = Cached(Ledger(store, game, alone=True), counting)
    monkeypatch.setattr(store, "known", None)
    assert len(dict(alone.with_divergences(MASKS))) == 16
    assert len(counting.asked) == 16


def test_a_file_that_was_deleted_is_measured_anew(store: Committing) -> None:
    game, evaluator, counting = opened(store)
    list(evaluator.losses(MASKS))
    store._database.file.unlink()
    list(evaluator.losses(MASKS))
    assert len(counting.asked) == 32 and len(store.measured(game)) == 16
