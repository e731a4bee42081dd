"""The first half of the page Learn: three players, whose worths the reader may edit, and three steps with them."""

from itertools import permutations

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import parts, state
from app.dashboard.tables import show_table
from app.figures.strip import strip
from app.foreign import plain
from app.learn.games import PLAYERS, STORIES, alike, idle, shapley, table
from app.learn.own_run_figures import contribution_by_size
from app.learn.step_parts import Own, look_for, protocol, step
from app.learn.story_figures import coalition_lattice, linearity_bars, order_steps, team_name
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
    story = st.selectbox("Story", STORIES, format_func=lambda story: story.name, key="story")
    st.markdown(story.told)
    game = np.reshape(story.worths, (2, 2, 2)).astype(float)
    for column, team in zip(st.columns(7), _TEAMS, strict=True):
        key = f"team-{story.name}-{team_name(team)}"
        state.begin(key, float(game[team]))
        game[team] = column.number_input(team_name(team), step=10.0, format="%g", key=key)
    st.caption("Worths, for you to change; nobody is worth 0. The first three steps follow them.")
    return game


def teams(own: Own | None) -> None:
    """Step 1: a coalition by hand."""
    step(
        "1. What is a team worth?",
        "A *game* says what every team, called a *coalition*, is worth. Choose who is there. In a language model the "
        "players are the layers, and the worth is how well the layers that stay predict text.",
    )
    game = pick_game()
    there = st.pills("Who is there?", PLAYERS, selection_mode="multi", default=PLAYERS[:1])
    chosen = tuple(int(name in there) for name in PLAYERS)
    st.metric(f"Worth of {team_name(chosen)}", f"{game[chosen]:g}")
    parts.show_chart(coalition_lattice(game, chosen), key="lattice")
    look_for("The same player adds different amounts to different teams. So what is *the* part of a player?")
    if own is not None:
        with st.container(border=True):
            st.markdown(f"**On your run.** {len(own.measured)} coalitions of {own.layers} layers are measured.")
            ranked = np.argsort(-own.measured.scores)
            rank = st.slider("Coalition, from the best to the worst", 1, len(ranked), 1)
            score = float(own.measured.scores[ranked[rank - 1]])
            st.metric("Score PPL_dense / PPL (measured)", f"{score:.3f}", help="1: nothing is lost")
            gone = removed(own.measured.masks[ranked[rank - 1]])
            st.html(strip(gone, own.result))
            st.caption(plain(protocol(own)))


def orders(own: Own | None) -> None:
    """Step 2: marginal contributions in every order."""
    step(
        "2. What is the part of one player?",
        "Let the players come one after the other, and give each what the worth grows by: the *marginal "
        "contribution*. That depends on the order, so play every order, and take the mean: the **Shapley value**.",
    )
    game = pick_game()
    gains = marginals(table(game), _ORDERS)
    played = st.slider("Orders played", 1, len(_ORDERS), 1)
    parts.show_chart(order_steps(_ORDERS[played - 1], gains[played - 1]), key="steps")
    rows = [
        {"order": ", ".join(PLAYERS[player] for player in order), **dict(zip(PLAYERS, gain, strict=True))}
        for order, gain in zip(_ORDERS[:played], gains, strict=False)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt=f"Marginal contributions in the {played} orders played")
    for column, name, mean, value in zip(
        st.columns(3), PLAYERS, gains[:played].mean(axis=0), shapley(game), strict=True
    ):
        column.metric(
            f"{name}: mean of {played} of 6",
            f"{mean:.2f}",
            f"Shapley value {value:.2f} (exact)",
            delta_color="off",
            delta_arrow="off",
        )
    look_for("The means jump about, and meet the Shapley values when all six orders are played.")
    if own is not None:
        with st.container(border=True):
            st.markdown("**On your run.** What a layer adds depends on how many others are there, too.")
            layer = st.selectbox("Layer", range(own.layers), format_func=own.players.__getitem__)
            parts.show_chart(contribution_by_size(own.result, layer), key="by-size")
            st.caption(f"Estimated by the run's surrogate, with 90 % intervals over coalitions. {plain(protocol(own))}")


def axioms(own: Own | None) -> None:
    """Step 3: the four axioms that only the Shapley value meets."""
    step(
        "3. Why this mean, and no other?",
        "Four wishes sound fair, and the Shapley value is the only rule that meets all of them (Shapley 1953). Edit "
        "the worths, or take another story, and try to break one.",
    )
    game = pick_game()
    times = st.slider("A second evening, of the story Gloves, counts so many times", 0.0, 3.0, 1.0, 0.5)
    second = times * np.reshape(STORIES[1].worths, (2, 2, 2))
    value, added, together = shapley(game), shapley(second), shapley(game + second)
    st.dataframe(
        pd.DataFrame(_axiom_rows(game, value, added, together)),
        hide_index=True,
        alt="The four axioms, each with its numbers in this game",
    )
    parts.show_chart(linearity_bars(value, added, together), key="linearity")
    show_table(
        pd.DataFrame({"player": PLAYERS, "tonight": value, "second evening": added, "as one game": together}),
        "Shapley values of two games, and of both as one",
        "linearity",
    )
    look_for("However the worths change, the diamonds stay on top of the stacks, and the parts add up to the whole.")
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
        st.metric("Sum of Shapley values (estimated)", f"{shares:.2f}")
        st.metric("All layers less no layers (estimated)", f"{gap:.2f}", help="Log score, nats a token")
        st.metric(
            "Sum of the paper's contributions (estimated)", f"{sum(item.value for item in own.result.overall):.2f}"
        )
    st.caption(
        "The first two are of the log score, in nats a token, and extrapolate to sizes that no stratum holds. The "
        "third is of the score, which loses 1 at most: the paper's stratified contribution looks at a few sizes only, "
        f"and is no division of a whole. {plain(protocol(own))}"
    )
