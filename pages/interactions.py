"""How pairs of layers depend on each other: the matrix beside what lies behind a pair, why it matters, and the rest."""

import streamlit as st

from app.dashboard import estimated, parts
from app.dashboard.refitting import offered
from app.figures.protocol_chip import protocol_chip
from app.figures.terms_chip import terms_chip
from app.foreign import plain
from app.interactions.clustered import clustered
from app.interactions.details import show_details
from app.interactions.greedy_panel import show_greedy
from app.interactions.matrix import interaction_matrix, pair_name
from app.interactions.pair_panel import show_pair
from app.words import INDICES
from app.worker import client
from cache.queries import StoredRun
from core.coalitions.worth import LOG_SCORE, WORTHS
from core.errors import QuorumError
from core.records.results import RunResult
from core.records.values import PairInteractions

ORDERS = {"depth": "by depth", "cluster": "by cluster"}
shared = client.shared()

with st.container(horizontal=True, vertical_alignment="bottom"):
    st.title("Interactions", width="content")
    chips = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")
chosen = parts.pick_run(shared.database)


def pick_interactions(run: StoredRun) -> tuple[PairInteractions | None, str]:
    """The interactions of the chosen kind and worth, and the order; says how to get them where they are not there."""
    columns = st.columns(4, vertical_alignment="bottom")
    with columns[0]:
        kind = parts.pick("index", "Interaction", list(INDICES), lambda name: name.capitalize())
    names = sorted(WORTHS, key=lambda name: name != LOG_SCORE.name)  # the one that pairs are best seen in comes first
    with columns[1]:
        worth = parts.pick("worth", "Worth", names, lambda name: WORTHS[name].label)
    with columns[2]:
        order = parts.pick("order", "Order of the matrix", list(ORDERS), ORDERS.__getitem__)
    if estimated.lacks(shared.database, run, worth):
        st.markdown(f"{INDICES[kind]} {WORTHS[worth].sentence}")
        st.info(estimated.lacking(run, worth, "interactions"))
        return None, order
    found = estimated.pairs(shared.database, run, kind, worth)
    with columns[3].popover("What is shown", icon=":material/help:", width="stretch"):
        st.markdown(f"{INDICES[kind]} {WORTHS[worth].sentence}")
        st.markdown(f"{plain(estimated.basis(shared.database, run, found))}.")
        st.markdown(
            "**Blue** pairs are worth more together than apart (synergy). **Vermilion** pairs make up for each other "
            "(redundancy): each looks dispensable while the other is there, so removing layers one by one by their own "
            "contribution goes wrong with them. By cluster, layers that interact alike stand side by side."
        )
    return found, order


def show_pairs(run: StoredRun, result: RunResult, found: PairInteractions, order: str) -> None:
    """The matrix with one pair outlined, and beside it what lies behind that one."""
    unit, players = WORTHS[found.worth].unit, result.model.players
    by_name = {pair_name(pair, players): pair for pair in found.pairs}
    left, right = st.columns([3, 2])
    with right, st.container(border=True):
        name = parts.pick("pair", "Pair", list(by_name), lambda name: f"layers {name} ({by_name[name].meaning})")
        show_pair(shared, run.resolved, result, by_name[name], unit)
    with left:
        places = clustered(found, len(players)) if order == "cluster" else tuple(range(len(players)))
        matrix = interaction_matrix(found, places, players, unit, by_name[name])
        parts.show_chart(matrix, "matrix", take=parts.choosing("pair"))
        how = "Estimated" if found.surrogate is not None else "Exact"
        st.caption(f"{how}. Blue: synergy; vermilion: redundancy. Click on a cell.")


if chosen is not None and chosen.result is not None:
    with chips:
        protocol_chip(chosen.result)
        terms_chip("layer", "coalition", "worth", "interaction", "surrogate", "90 % interval", "perplexity", "dense")
    chosen = offered(shared.database, chosen)
    assert chosen.result is not None
    if chosen.result.interactions is None:
        st.info("Interactions are estimated at the end of a run: finish this one, or run it again, on the page Runs.")
    else:
        try:
            found, order = pick_interactions(chosen)
            if found is not None:
                show_pairs(chosen, chosen.result, found, order)
            show_greedy(shared, chosen, chosen.result)
            if found is not None:
                show_details(chosen.result, found, WORTHS[found.worth].unit)
        except QuorumError as error:
            parts.show_error(error)
