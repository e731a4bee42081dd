"""What the page Learn teaches, against brute force, shap, Student's interval and the axioms."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import scipy.stats
import shap
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.learn.coalition_figures import predicted_against_true, scores_by_size
from app.learn.games import (
    COST,
    LAYERS,
    STORIES,
    alike,
    idle,
    learning_curve,
    made_up_model,
    measured,
    shapley,
    table,
)
from app.learn.sampling_figures import error_curve, estimate_bars
from app.learn.story_figures import coalition_lattice, linearity_bars, order_steps, team_name
from core.attribution.permutations import draw, errors, estimate, marginals
from core.coalitions.masks import everything
from core.coalitions.measurements import Floats

WORTHS = st.floats(-1000, 1000)
GAMES = arrays(float, (2, 2, 2), elements=WORTHS)
MODEL = made_up_model(COST)


def story(name: str) -> Floats:
    return np.reshape(next(story.worths for story in STORIES if story.name == name), (2, 2, 2)).astype(float)


def by_hand(worth: Callable[[frozenset[int]], float], orders: list[tuple[int, ...]]) -> Floats:
    """The gains of each order, by player, one join after the other."""
    found = np.zeros((len(orders), len(orders[0])))
    for row, order in zip(found, orders, strict=True):
        for turn, player in enumerate(order):
            row[player] = worth(frozenset(order[: turn + 1])) - worth(frozenset(order[:turn]))
    return found


def asked(game: Floats) -> Callable[[frozenset[int]], float]:
    return lambda team: float(game[tuple(int(player in team) for player in range(game.ndim))])


@given(GAMES)
def test_all_orders_give_the_shapley_value(game: Floats) -> None:
    orders = list(permutations(range(3)))
    gains = marginals(table(game), np.array(orders))
    np.testing.assert_allclose(gains, by_hand(asked(game), orders), atol=1e-9)
    np.testing.assert_allclose(gains.mean(axis=0), shapley(game), atol=1e-9)
    np.testing.assert_allclose(gains.sum(axis=1), game[1, 1, 1] - game[0, 0, 0], atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(GAMES)
def test_shapley_values_are_shaps(game: Floats) -> None:
    explainer = shap.explainers.Exact(lambda rows: table(game)(rows.astype(bool)), np.zeros((1, 3)))
    np.testing.assert_allclose(shapley(game), explainer(np.ones((1, 3))).values[0], atol=1e-6)


@given(GAMES, GAMES, st.floats(-3, 3), st.permutations(range(3)))
def test_axioms(game: Floats, other: Floats, times: float, order: list[int]) -> None:
    value = shapley(game)
    assert value.sum() == pytest.approx(game[1, 1, 1] - game[0, 0, 0], abs=1e-8)
    np.testing.assert_allclose(shapley(game + times * other), value + times * shapley(other), atol=1e-8)
    np.testing.assert_allclose(shapley(game.transpose(order)), value[order], atol=1e-8)
    twins = game + game.swapaxes(0, 2)
    assert (0, 2) in alike(twins) and shapley(twins)[0] == pytest.approx(shapley(twins)[2], abs=1e-8)
    passenger = np.stack([game[:, 0], game[:, 0]], axis=1)
    assert 1 in idle(passenger) and shapley(passenger)[1] == pytest.approx(0, abs=1e-8)


def test_stories_are_what_they_tell() -> None:
    assert [alike(story(one.name)) for one in STORIES] == [[], [(1, 2)], []]
    assert [idle(story(one.name)) for one in STORIES] == [[], [], [2]]
    np.testing.assert_allclose(shapley(story("Gloves")), [40, 10, 10])
    assert asked(story("Musicians"))(frozenset({0, 1})) == 100 and asked(story("A passenger"))(frozenset({1, 2})) == 20


def test_drawn_orders_are_uniform_and_nested() -> None:
    orders = draw(3, 6000, 1)
    found, counts = np.unique(orders, axis=0, return_counts=True)
    np.testing.assert_array_equal(found, list(permutations(range(3))))
    assert scipy.stats.chisquare(counts).pvalue > 0.01
    np.testing.assert_array_equal(draw(3, 50, 1), orders[:50])
    assert (draw(3, 50, 2) != orders[:50]).any()


def test_sampled_orders_of_a_larger_game_are_those_by_hand() -> None:
    orders = draw(LAYERS, 20, 0)
    expected = by_hand(asked(MODEL), [tuple(map(int, order)) for order in orders])
    np.testing.assert_allclose(marginals(table(MODEL), orders), expected, atol=1e-12)


def test_intervals_are_students_and_hold_nine_values_of_ten() -> None:
    gains = marginals(table(MODEL), draw(LAYERS, 30, 0))
    centre, half = estimate(gains)
    low, high = scipy.stats.t.interval(0.9, 29, gains.mean(axis=0), scipy.stats.sem(gains, axis=0))
    np.testing.assert_allclose([centre - half, centre + half], [low, high])
    inside = []
    for seed in range(200):
        centre, half = estimate(marginals(table(MODEL), draw(LAYERS, 50, seed)))
        inside.append(np.abs(centre - shapley(MODEL)) <= half)
    assert 0.87 < np.mean(inside) < 0.93


def test_error_after_each_order() -> None:
    right = shapley(MODEL)
    gains = np.stack([marginals(table(MODEL), draw(LAYERS, 40, seed)) for seed in range(3)])
    found = errors(gains, right)
    for sample in range(3):
        for orders in (1, 7, 40):
            miss = gains[sample, :orders].mean(axis=0) - right
            assert found[sample, orders - 1] == pytest.approx(np.sqrt((miss**2).sum() / (right**2).sum()))


def test_made_up_model_costs_what_it_says() -> None:
    """On average a layer that is missing alone costs so much; a layer more never hurts; the whole loses nothing."""
    for cost in (0.1, COST):
        game = made_up_model(cost)
        alone = [asked(game)(frozenset(range(LAYERS)) - {layer}) for layer in range(LAYERS)]
        assert np.mean(alone) == pytest.approx(-cost) and game.flat[-1] == 0
        assert all((np.diff(game, axis=layer) >= 0).all() for layer in range(LAYERS))
    together = asked(MODEL)(frozenset()) - sum(alone)
    assert together < -1, "some layers make up for each other, so that all missing cost more than each alone"


def test_measured_coalitions_have_the_log_scores_of_the_game() -> None:
    some = measured(MODEL, 30, 4)
    assert len(some) == 29 and not some.masks.all(axis=1).any()
    np.testing.assert_allclose(some.log_scores, table(MODEL)(some.masks))


def test_learning_curve_favours_the_surrogate_in_the_end() -> None:
    rows = learning_curve(MODEL, (20, 100), 2)
    assert [row[0] for row in rows] == [20, 100]
    right = shapley(MODEL)
    sampled = [by_hand(asked(MODEL), [tuple(o) for o in draw(LAYERS, 10, seed)]).mean(axis=0) for seed in range(2)]
    expected = np.mean([np.linalg.norm(found - right) for found in sampled]) / np.linalg.norm(right)
    assert rows[1][1] == pytest.approx(expected)
    assert rows[1][2] < 0.05 < rows[1][1] and rows[1][2] < rows[0][2]


def test_lattice_shows_what_each_neighbour_adds() -> None:
    chart = coalition_lattice(story("Musicians"), (1, 0, 0))
    assert {note.text for note in chart.figure.layout.annotations} == {"Ann +40", "Bo +60", "Cy +20"}
    assert "worth 40" in chart.alt and team_name((0, 0, 0)) == "nobody" and team_name((1, 0, 1)) == "Ann + Cy"
    labels = [trace.text for trace in chart.figure.data if trace.text]
    assert len(labels) == 8 and "<b>Ann<br>40</b>" in labels


def test_figures_say_their_takeaway() -> None:
    steps = order_steps((2, 0, 1), (40, -10, 30))
    assert list(steps.figure.data[0].y) == [30, 40, -10, 0] and "first Cy +30, then Ann +40, then Bo -10" in steps.alt
    bars = linearity_bars(np.array([1.0, 2, 3]), np.array([0.0, 1, 0]), np.array([1.0, 3, 3]))
    assert list(bars.figure.data[2].y) == [1, 3, 3] and "to 0." in bars.alt
    right = shapley(MODEL)
    gains = np.stack([marginals(table(MODEL), draw(LAYERS, 50, seed)) for seed in range(9)])
    found, half = estimate(gains[0])
    inside = int((np.abs(found - right) <= half).sum())
    assert f"{inside} of 10 90 % intervals" in estimate_bars(found, half, right, tuple(map(str, range(10)))).alt
    curve = error_curve(gains[0], gains[1:], right, 20)
    assert curve.figure.data[-1].y[0] == pytest.approx(errors(gains[0], right)[19]) and "after 20" in curve.alt


def test_predicted_against_true_counts_only_what_was_not_seen() -> None:
    rng = np.random.default_rng(0)
    true, seen = rng.normal(size=40), np.arange(40) < 10
    predicted = np.where(seen, true, true + rng.normal(size=40))
    missed, spread = (predicted - true)[~seen], true[~seen] - true[~seen].mean()
    chart = predicted_against_true(predicted, true, seen, "measured")
    assert f"on 30 coalitions not seen, R² is {1 - (missed @ missed) / (spread @ spread):.2f}" in chart.alt
    assert [len(trace.x) for trace in chart.figure.data] == [30, 10, 2]


def test_scores_by_size_has_the_median_of_each_size() -> None:
    kept, scores = everything(LAYERS).sum(axis=1), np.exp(MODEL).ravel()
    share = np.bincount(kept) / len(kept)
    chart = scores_by_size(kept, scores, share, share, "made up")
    median = next(trace for trace in chart.figure.data if trace.name == "median")
    np.testing.assert_allclose(median.y, [np.median(scores[kept == size]) for size in range(LAYERS + 1)])
    assert "about 5 of 10 layers" in chart.alt and "from 1.00 with 10 layers kept" in chart.alt
