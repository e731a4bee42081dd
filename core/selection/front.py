"""Which of several choices are worth a look where two measures pull apart: those that no other beats in both."""

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]], least: tuple[bool, bool]) -> list[int]:
    """The places of the Pareto front of points, from the best in the first measure to the best in the second.

    A point is on it if no other is at least as good in both measures and better in one. Of equal points all are.

    Args:
        points: two measures of each choice.
        least: of each measure, whether less of it is better.
    """
    signs = [1 if less else -1 for less in least]
    costs = sorted((signs[0] * x, signs[1] * y, place) for place, (x, y) in enumerate(points))
    found: list[tuple[float, float, int]] = []
    for x, y, place in costs:
        if not found or y < found[-1][1] or (x, y) == found[-1][:2]:
            found.append((x, y, place))
    return [place for _, _, place in found]
