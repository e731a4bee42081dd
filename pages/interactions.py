"""How pairs of layers depend on each other: the matrix, what lies behind a pair, the network, and why it matters."""

import streamlit as st

from app.dashboard import estimated, parts
from app.dashboard.refitting import offered
from app.dashboard.tables import interaction_table, show_table
from app.foreign import plain
from app.interactions.clustered import clustered
from app.interactions.greedy_panel import show_greedy
from app.interactions.matrix import interaction_matrix, pair_name
from app.interactions.network import network_figure
from app.interactions.pair_panel import show_pair
from app.interactions.sublayer_figures import half_bars, half_pairs
from app.words import INDICES
from app.worker import client
from cache.queries import StoredRun
from core.coalitions.worth import LOG_SCORE, WORTHS
from core.errors import QuorumError
from core.records.results import RunResult
from core.records.values import PairInteractions

ORDERS = {"depth": "by depth", "cluster": "by cluster: layers that interact alike stand side by side"}
_MOST_LINES = 40
shared = client.shared()

st.title("Interactions")
chosen = parts.pick_run(shared.database)


def pick_interactions(run: StoredRun) -> PairInteractions | None:
    """The interactions of the chosen kind and worth; says how to get them where they are not to be had."""
    left, right = st.columns(2)
    with left:
        kind = parts.pick("index", "Interaction", list(INDICES), lambda name: name.capitalize())
    names = sorted(WORTHS, key=lambda name: name != LOG_SCORE.name)  # the one that pairs are best seen in comes first
    with right:
        worth = parts.pick("worth", "Worth", names, lambda name: WORTHS[name].label)
    st.markdown(f"{INDICES[kind]} {WORTHS[worth].sentence}")
    if estimated.lacks(shared.database, run, worth):
        st.info(estimated.lacking(run, worth, "interactions"))
        return None
    return estimated.pairs(shared.database, run, kind, worth)


def show_pairs(run: StoredRun, result: RunResult, found: PairInteractions) -> None:
    """The matrix with one pair outlined, what lies behind that one, and the strongest pairs."""
    unit, players = WORTHS[found.worth].unit, result.model.players
    by_name = {pair_name(pair, players): pair for pair in found.pairs}
    left, right = st.columns(2)
    with left:
        order = parts.pick("order", "Order of the matrix", list(ORDERS), ORDERS.__getitem__)
    with right:
        name = parts.pick("pair", "Pair", list(by_name), lambda name: f"layers {name} ({by_name[name].meaning})")
    places = clustered(found, len(players)) if order == "cluster" else tuple(range(len(players)))
    matrix = interaction_matrix(found, places, players, unit, result.protocol, by_name[name])
    parts.show_chart(matrix, "matrix", take=parts.choosing("pair"))
    basis = estimated.basis(shared.database, run, found)
    st.caption(f"{plain(basis)}. {plain(result.protocol)}. Click on a cell, or pick a pair above.")
    st.header("What lies behind a pair")
    show_pair(shared, run.resolved, result, by_name[name], unit)
    show_halves(result, found, unit)
    show_network(result, found, unit)


def show_halves(result: RunResult, found: PairInteractions, unit: str) -> None:
    """How the attention and the MLP of each layer depend on each other, where these are the players."""
    pairs = half_pairs(found, result.model.players)
    if not pairs:
        return
    st.header("The two halves of each layer")
    st.markdown(
        "Above zero, a layer's attention and its MLP need each other: where one is gone, the other is worth less, so "
        "that the layer goes or stays as a whole. Below zero, one makes up for the other."
    )
    parts.show_chart(half_bars(pairs, unit, result.protocol), key="halves")
    st.caption(f"Whiskers: 90 % intervals over coalitions. {plain(result.protocol)}.")


def show_network(result: RunResult, found: PairInteractions, unit: str) -> None:
    """The strongest pairs as lines between layers, and all of them as a table."""
    st.header("Strongest pairs")
    decided = [pair for pair in found.pairs if pair.meaning != "undecided"]
    if decided:
        most = min(_MOST_LINES, len(decided))
        lines = st.slider("Pairs to draw", 1, most, min(12, most)) if most > 1 else 1
        st.markdown("Solid blue lines are synergies, dashed vermilion ones redundancies; the wider, the stronger.")
        parts.show_chart(network_figure(decided[:lines], result.model.players, unit, result.protocol), key="network")
    st.caption(
        f"{len(decided)} of {len(found.pairs)} interactions are decided: their 90 % interval does not hold zero. "
        "Others are not drawn."
    )
    table = interaction_table(found, result.model.players)
    show_table(table, "All interactions, the strongest first", f"interactions-{found.kind}-{found.worth}-{result.run}")


if chosen is not None and chosen.result is not None:
    chosen = offered(shared.database, chosen)
    assert chosen.result is not None
    st.markdown(
        "**Blue** pairs are worth more together than apart (synergy). **Vermilion** pairs make up for each other "
        "(redundancy): each looks dispensable while the other is there, so removing layers one by one by their own "
        "contribution goes wrong with them."
    )
    if chosen.result.interactions is None:
        st.info("Interactions are estimated at the end of a run: finish this one, or run it again, on the page Runs.")
    else:
        try:
            found = pick_interactions(chosen)
            if found is not None:
                show_pairs(chosen, chosen.result, found)
            show_greedy(shared, chosen, chosen.result)
        except QuorumError as error:
            parts.show_error(error)
