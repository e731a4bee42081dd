"""Results on their way: in order, each once, and nobody waits before there is a reason; by a made-up device."""

import pytest
import torch

from core.evaluate.losses import nll_in_pieces, sequence_nll
from core.evaluate.walks import arrivals as module
from core.evaluate.walks.arrivals import Arrivals


class Event:
    """Happens when it is waited for, or when it is said to have happened."""

    waited = 0

    def __init__(self) -> None:
        self.happened = False

    def query(self) -> bool:
        return self.happened

    def synchronize(self) -> None:
        self.happened = True
        Event.waited += 1


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    made: list[Event] = []

    def to_host(found: torch.Tensor) -> tuple[torch.Tensor, Event]:
        made.append(Event())
        return found, made[-1]

    monkeypatch.setattr(module, "to_host", to_host)
    monkeypatch.setattr(Event, "waited", 0)
    return made


def test_on_the_host_it_is_there_at_once() -> None:
    arrivals = Arrivals()
    arrivals.send([[3, 5], [1]], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    found = [(row, losses.tolist()) for row, losses in arrivals.arrived()]
    assert found == [(3, [1, 2]), (5, [1, 2]), (1, [3, 4])]


def test_nobody_waits_until_several_are_under_way(events: list[Event]) -> None:
    arrivals, told = Arrivals(), []
    for row in range(5):
        arrivals.send([[row]], torch.full((1, 2), float(row)))
        told.append([found for found, _ in arrivals.arrived()])
    assert told == [[], [], [0], [1], [2]] and Event.waited == 3
    events[3].happened = True
    assert [found for found, _ in arrivals.arrived()] == [3]
    assert [found for found, _ in arrivals.arrived(last=True)] == [4] and Event.waited == 4


def test_what_has_happened_is_told_at_once(events: list[Event]) -> None:
    arrivals = Arrivals()
    arrivals.send([[0]], torch.zeros(1, 2))
    events[0].happened = True
    assert [found for found, _ in arrivals.arrived()] == [0] and Event.waited == 0


@pytest.mark.parametrize("piece", [1, 2 * 6 * 11, 10**6])
def test_losses_in_pieces_are_those_one_by_one(piece: int) -> None:
    draws = torch.Generator().manual_seed(0)
    logits, ids = torch.randn(5, 6, 11, generator=draws), torch.randint(0, 11, (5, 6), generator=draws)
    torch.testing.assert_close(nll_in_pieces(logits, ids, piece), sequence_nll(logits, ids))
