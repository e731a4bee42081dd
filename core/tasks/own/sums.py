"""A list of small sums: a task that needs no data, with items that are the same wherever and whenever they are asked.

Thirty additions, subtractions and multiplications each, in turn, drawn once from a fixed seed. Three solved ones stand
before each, so that a model knows the form. The right answer stands among three wrong ones of as many digits and near
it; that it is the likeliest of them counts (acc), and that it is what the model would write (exact_match). Each answer
ends its line, as the solved ones do: where tokens are single digits, a wrong 42 begins as 4 does.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import fmean
from typing import Any

from core.tasks.named_task import NamedTask, Request

_EACH, _SEED, _VERSION = 30, 18, "2"
_SOLVED = ("4 + 5 = 9", "13 - 6 = 7", "3 * 8 = 24")  # none of them is asked
_NEAR, _WRONG = 12, 3  # how far wrong answers are at most, and how many there are
_OPERATIONS: Mapping[str, tuple[int, int, Callable[[int, int], int]]] = {  # from, to, what it gives
    "+": (1, 20, lambda a, b: a + b),
    "-": (1, 20, lambda a, b: a - b),
    "*": (2, 10, lambda a, b: a * b),
}


class Sums:
    """The first items of the list, in the form of a task that chooses among answers."""

    def __init__(self, limit: int | None) -> None:
        before = "\n".join(_SOLVED)
        self.documents = _list()[:limit]
        self.instances = [
            Request(number, place, document, (f"{before}\n{document['sum']} =", f" {choice}\n"))
            for number, document in enumerate(self.documents)
            for place, choice in enumerate(document["choices"])
        ]

    def process_results(self, document: Mapping[str, Any], responses: Sequence[tuple[float, bool]]) -> dict[str, float]:
        """Whether the right answer is the likeliest one, and whether it would be written."""
        likelihoods = [likelihood for likelihood, _ in responses]
        right = document["answer"]
        return {"acc": float(likelihoods.index(max(likelihoods)) == right), "exact_match": float(responses[right][1])}

    def aggregation(self) -> dict[str, Callable[[Sequence[float]], float]]:
        """Means over items."""
        return {"acc": fmean, "exact_match": fmean}


def sums(limit: int | None) -> NamedTask:
    """The task, with its first items or all."""
    return NamedTask("sums", Sums(limit), "list", "Quorum", _VERSION, len(_SOLVED))


def _list() -> list[dict[str, Any]]:
    """`sum`, `choices` (smallest first) and `answer` (the place of the right one) of each item."""
    drawn, found = Random(_SEED), dict[str, dict[str, Any]]()
    solved = {line.partition(" =")[0] for line in _SOLVED}
    while len(found) < _EACH * len(_OPERATIONS):
        sign = list(_OPERATIONS)[len(found) % len(_OPERATIONS)]
        least, most, gives = _OPERATIONS[sign]
        a, b = (_between(drawn, least, most) for _ in range(2))
        if sign == "-":
            a, b = max(a, b), min(a, b)
        asked = f"{a} {sign} {b}"
        if asked not in found and asked not in solved:
            found[asked] = {"sum": asked, **_choices(drawn, gives(a, b))}
    return list(found.values())


def _choices(drawn: Random, right: int) -> dict[str, Any]:
    near = range(max(0, right - _NEAR), right + _NEAR + 1)
    wrong = [number for number in near if number != right and len(str(number)) == len(str(right))]
    while len(wrong) > _WRONG:
        del wrong[_between(drawn, 0, len(wrong) - 1)]
    choices = sorted([right, *wrong])
    return {"choices": choices, "answer": choices.index(right)}


def _between(drawn: Random, least: int, most: int) -> int:
    """Both ends included; of `random` alone, which every release of Python draws alike."""
    return least + int(drawn.random() * (most - least + 1))
