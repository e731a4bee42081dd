"""How far the workers of a run are, in words."""

from app.words import each_worker
from core.records.looks import Workers


def test_each_worker_is_told_of_or_the_last_and_the_first_of_many() -> None:
    assert each_worker(Workers((), 2, 0)) == "2 workers starting"
    assert each_worker(Workers((5,), 1, 1)) == "1 worker (5 coalitions), 1 starting, 1 lost"
    assert each_worker(Workers((58, 60), 0, 0)) == "2 workers (60, 58 coalitions)"
    assert each_worker(Workers(tuple(range(30, 49)), 0, 2)) == "19 workers (30 to 48 coalitions), 2 lost"
