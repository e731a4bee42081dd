"""Below the matrix: all pairs as a table, the strongest as a network, and the halves of each layer, in tabs."""

from dataclasses import replace

import streamlit as st

from app.dashboard import parts
from app.dashboard.tables import draw_table, interaction_table, show_table
from app.interactions.network import network_figure
from app.interactions.sublayer_figures import half_bars, half_pairs
from app.words import Players
from core.records.results import RunResult
from core.records.values import PairInteraction, PairInteractions

TABS = {"pairs": "Strongest pairs", "network": "Network", "halves": "Halves of each layer"}
_MOST_LINES = 40
_DECIDED = "The strongest of those that are decided: their 90 % interval does not hold zero"


def show_details(result: RunResult, found: PairInteractions, unit: str) -> None:
    """The tab that is chosen; the halves where these are the players."""
    players = result.model.players
    halves = half_pairs(found, players)
    tabs = [name for name in TABS if halves or name != "halves"]
    tab = parts.pick("tab", "Details", tabs, TABS.__getitem__, row=True)
    file = f"interactions-{found.kind}-{found.worth}-{result.run}"
    # Each tab has a place of its own: what the browser takes over from another one keeps the focus of the keyboard.
    with [st.container() for _ in tabs][tabs.index(tab)]:
        if tab == "network":
            _show_network(players, found, unit)
        elif tab == "halves":
            _show_halves(replace(found, pairs=tuple(halves.values())), halves, players, unit, file)
        else:
            table = interaction_table(found, players)
            draw_table(table, "All interactions, the strongest first", file, height=300)


def _show_network(players: Players, found: PairInteractions, unit: str) -> None:
    """The strongest pairs as lines between layers; how many is for the reader to say, below."""
    decided = [pair for pair in found.pairs if pair.meaning != "undecided"]
    if decided:
        most = min(_MOST_LINES, len(decided))
        picture, lines = (
            st.container(),
            st.slider("Pairs to draw", 1, most, min(12, most), help=_DECIDED) if most > 1 else 1,
        )
        with picture:
            parts.show_chart(network_figure(decided[:lines], players, unit), key="network")
    st.caption(f"Dashed: redundancy. {len(decided)} of {len(found.pairs)} pairs are decided.")


def _show_halves(
    found: PairInteractions, halves: dict[str, PairInteraction], players: Players, unit: str, file: str
) -> None:
    """How the attention and the MLP of each layer depend on each other."""
    parts.show_chart(half_bars(halves, unit), key="halves")
    st.markdown(
        "Above zero, a layer's attention and its MLP need each other: where one is gone, the other is worth less, so "
        "that the layer goes or stays as a whole. Below zero, one makes up for the other."
    )
    st.caption("Whiskers: 90 % intervals over coalitions.")
    table = interaction_table(found, players)
    show_table(table, "The interaction of the two halves of each layer, the strongest first", f"{file}-halves")
