"""The Pareto front against its definition."""

from hypothesis import given
from hypothesis import strategies as st

from core.selection.front import front

NUMBERS = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=12), st.booleans(), st.booleans())
def test_it_holds_what_no_other_beats(points: list[tuple[float, float]], less_x: bool, less_y: bool) -> None:
    def better(x: float, y: float, less: bool) -> bool:
        return x < y if less else x > y

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        as_good = not better(other[0], one[0], less_x) and not better(other[1], one[1], less_y)
        return as_good and (better(one[0], other[0], less_x) or better(one[1], other[1], less_y))

    found = front(points, (less_x, less_y))
    assert sorted(found) == [
        place for place, point in enumerate(points) if not any(beats(other, point) for other in points)
    ]
    across = [points[place][0] for place in found]
    assert across == sorted(across, reverse=not less_x), "from the best in the first measure on"
