"""The first half of the page Learn: three players, whose worths the reader may edit, and three steps with them."""

from itertools import permutations

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard.session import widgets
from app.dashboard.tables import show_table
from app.digits import significant
from app.figures.strip import strip
from app.learn.games import PLAYERS, STORIES, alike, idle, shapley, table
from app.learn.own_run_figures import contribution_by_size, size_table
from app.learn.step_parts import Own, look_for, show, show_chips, step
from app.learn.story_figures import coalition_lattice, lattice_table, linearity_bars, order_steps, team_name
from core.attribution.hybrid import averaging, hybrid
from core.attribution.permutations import marginals
from core.coalitions.masks import removed
from core.coalitions.measurements import Floats

_ORDERS = np.array(list(permutations(range(3))))
# How the keys of what the steps share begin.
WIDGETS = ("story", "team-")
# All but nobody, the small ones first.
_TEAMS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)]


def pick_game() -> Floats:
    """The worths of all coalitions, (2, 2, 2): a story's, or the reader's own. Each step shows the same ones."""
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    story = left.selectbox("Story", STORIES, format_func=lambda story: story.name, key="story")
    right.markdown(story.told)
    game = np.reshape(story.worths, (2, 2, 2)).astype(float)
    for column, team in zip(st.columns(7), _TEAMS, strict=True):
        key = f"team-{story.name}-{team_name(team)}"
        widgets.begin(key, float(game[team]))
        game[team] = column.number_input(team_name(team), step=10.0, format="%g", key=key)
    st.caption("Worths, for you to change. The first three steps follow them.")
    return game


def teams(own: Own | None) -> None:
    """Step 1: a coalition by hand."""
    step(
        "1. What is a team worth?",
        "A *game* says what every team, called a *coalition*, is worth. In a language model the players are the "
        "layers, and the worth is how well the layers that stay predict text.",
    )
    picture = st.container()
    left, right = st.columns(2)
    there = left.pills("Who is there?", PLAYERS, selection_mode="multi", default=PLAYERS[:1])
    chosen = tuple(int(name in there) for name in PLAYERS)
    game = pick_game()
    right.metric(f"Worth of {team_name(chosen)}", f"{game[chosen]:g}")
    with picture:
        show(coalition_lattice(game, chosen), key="lattice")
        look_for("The same player adds different amounts to different teams. So what is *the* part of a player?")
    show_table(lattice_table(game), "The worth of each coalition, and what each player adds to it", "coalitions")
    if own is not None:
        with st.container(border=True):
            _own_coalition(own)


def _own_coalition(own: Own) -> None:
    """One coalition of the reader's run, by how good it is."""
    st.markdown(f"**On your run.** {len(own.measured)} coalitions of {own.layers} layers are measured.")
    ranked = np.argsort(-own.measured.scores)
    left, right = st.columns([2, 1])
    rank = left.slider("Coalition, from the best to the worst", 1, len(ranked), 1)
    score = float(own.measured.scores[ranked[rank - 1]])
    right.metric("Score PPL_dense / PPL (measured)", significant(score), help="1: nothing is lost")
    st.html(strip(removed(own.measured.masks[ranked[rank - 1]]), own.result))
    show_chips(own, "coalition", "worth", "contribution", "surrogate")


def orders(own: Own | None) -> None:
    """Step 2: marginal contributions in every order."""
    step(
        "2. What is the part of one player?",
        "Let the players come one after the other, and give each what the worth grows by: the *marginal "
        "contribution*. That depends on the order, so play every order, and take the mean: the **Shapley value**.",
    )
    picture = st.container()
    played = st.slider("Orders played", 1, len(_ORDERS), 1)
    means, table_of_orders = st.columns(3), st.container()
    game = pick_game()
    gains = marginals(table(game), _ORDERS)
    with picture:
        show(order_steps(_ORDERS[played - 1], gains[played - 1]), key="steps")
        look_for("The means jump about, and meet the Shapley values when all six orders are played.")
    for column, name, mean, value in zip(means, PLAYERS, gains[:played].mean(axis=0), shapley(game), strict=True):
        column.metric(
            f"{name}: mean of {played} of 6",
            f"{mean:.2f}",
            f"Shapley value {value:.2f} (exact)",
            delta_color="off",
            delta_arrow="off",
        )
    rows = [
        {"order": ", ".join(PLAYERS[player] for player in order), **dict(zip(PLAYERS, gain, strict=True))}
        for order, gain in zip(_ORDERS[:played], gains, strict=False)
    ]
    table_of_orders.dataframe(
        pd.DataFrame(rows), hide_index=True, alt=f"Marginal contributions in the {played} orders played"
    )
    if own is not None:
        with st.container(border=True):
            _own_sizes(own)


def _own_sizes(own: Own) -> None:
    """What one layer of the reader's run contributes, by how many others are there."""
    st.markdown("**On your run.** What a layer adds depends on how many others are there, too.")
    layer = st.selectbox("Layer", range(own.layers), format_func=own.players.__getitem__)
    show(contribution_by_size(own.result, layer), key="by-size")
    show_table(size_table(own.result, layer), "The contribution of this layer by number of layers kept", "by-size")
    st.caption("Estimated by the run's surrogate, with 90 % intervals over coalitions.")
    show_chips(own, "coalition", "worth", "contribution", "surrogate")


def axioms(own: Own | None) -> None:
    """Step 3: the four axioms that only the Shapley value meets."""
    step(
        "3. Why this mean, and no other?",
        "Four wishes sound fair, and the Shapley value is the only rule that meets all of them (Shapley 1953). Edit "
        "the worths, or take another story, and try to break one.",
    )
    picture = st.container()
    times = st.slider("A second evening, of the story Gloves, counts so many times", 0.0, 3.0, 1.0, 0.5)
    wishes = st.container()
    game = pick_game()
    second = times * np.reshape(STORIES[1].worths, (2, 2, 2))
    value, added, together = shapley(game), shapley(second), shapley(game + second)
    with picture:
        show(linearity_bars(value, added, together), key="linearity")
        look_for("However the worths change, the diamonds stay on top of the stacks, and the parts make up the whole.")
    wishes.dataframe(
        pd.DataFrame(_axiom_rows(game, value, added, together)),
        hide_index=True,
        alt="The four axioms, each with its numbers in this game",
    )
    show_table(
        pd.DataFrame({"player": PLAYERS, "tonight": value, "second evening": added, "as one game": together}),
        "Shapley values of two games, and of both as one",
        "linearity",
    )
    if own is not None:
        with st.container(border=True):
            _own_sums(own)


def _axiom_rows(game: Floats, value: Floats, added: Floats, together: Floats) -> list[dict[str, str]]:
    """Each axiom, what it asks, and its two sides in this game."""
    twins = [f"{PLAYERS[i]} {value[i]:.2f} = {PLAYERS[j]} {value[j]:.2f}" for i, j in alike(game)]
    null = [f"{PLAYERS[player]} {value[player]:.2f}" for player in idle(game)]
    sums = " + ".join(f"{part:.2f}" for part in value)
    return [
        {"axiom": "efficiency", "asks": "the parts add up to the whole", "here": f"{sums} = {game[1, 1, 1]:.2f}"},
        {
            "axiom": "symmetry",
            "asks": "who adds the same everywhere gets the same",
            "here": "; ".join(twins) or "no two players are alike: try the story Gloves",
        },
        {
            "axiom": "null player",
            "asks": "who never makes a difference gets nothing",
            "here": "; ".join(null) or "everybody makes a difference: try the story A passenger",
        },
        {
            "axiom": "linearity",
            "asks": "two games at once give the sum of both values",
            "here": f"{PLAYERS[0]}: {value[0]:.2f} + {added[0]:.2f} = {together[0]:.2f}",
        },
    ]


@st.cache_data(max_entries=8, show_spinner=False)
def _own_shares(run: str, masks: int, _own: Own) -> tuple[float, float]:
    """The sum of the Shapley values of a run's log scores, and what the whole model is worth more than nobody."""
    game = hybrid(_own.surrogate, log=True)
    none, whole = game.predict(np.array([np.zeros(_own.layers), np.ones(_own.layers)], dtype=bool))
    [shapley] = game.values([averaging("shapley", _own.layers)], _own.run.spec.seed)
    return float(shapley.sum()), float(whole - none)


def _own_sums(own: Own) -> None:
    """Efficiency on the reader's surrogate, and for the paper's number, which does not claim it."""
    shares, gap = _own_shares(own.run.run, len(own.measured), own)
    st.markdown("**On your run.** Its Shapley values add up to the whole, as they must:")
    with st.container(horizontal=True):
        st.metric("Sum of Shapley values (estimated)", significant(shares))
        st.metric("All layers less no layers (estimated)", significant(gap), help="Log score, nats a token")
        paper = sum(item.value for item in own.result.overall)
        st.metric("Sum of the paper's contributions (estimated)", significant(paper))
    st.caption(
        "The first two are of the log score, and extrapolate to sizes that no stratum holds. The third is of the "
        "score, looks at a few sizes only, and divides no whole."
    )
    show_chips(own, "coalition", "worth", "contribution", "surrogate")
