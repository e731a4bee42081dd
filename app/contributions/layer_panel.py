"""One layer: what it is worth, at which depth of pruning, with which others, and what its removal alone costs."""

import math

import pandas as pd
import streamlit as st

from app.contributions.layer_figures import depth_bars
from app.dashboard import estimated, parts
from app.dashboard.estimated import Valued
from app.dashboard.measured import show_cost
from app.dashboard.tables import draw_table
from app.digits import significant
from app.foreign import plain
from app.words import Players, labels
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.measurements import Floats
from core.coalitions.worth import LOG_SCORE
from core.records.values import PairInteractions

_STRONGEST = 5


def show_layer(database: Database, run: StoredRun, layer: int, found: Valued, ranks: Floats, unit: str) -> None:
    """The panel of a layer.

    Args:
        database: which knows what was measured.
        run: with a result.
        layer: which.
        found: the values on show, in `unit`.
        ranks: of all layers, (n, 3), from `core.attribution.stability.rank_intervals`.
        unit: of the values.
    """
    result = run.result
    assert result is not None
    players = result.model.players
    st.header(f"Layer {plain(players[layer])}")
    item, (rank, low, high) = found.items[layer], ranks[layer]
    with st.container(horizontal=True):
        text = f", ± {significant(item.calibration)} over texts" if math.isfinite(item.calibration) else ""
        st.metric(
            f"Value (estimated), {unit}",
            significant(item.value),
            f"90 %: {significant(item.low)} to {significant(item.high)} over coalitions{text}",
            delta_color="off",
            delta_arrow="off",
            help=plain(found.basis),
        )
        st.metric(
            "Rank (1 is needed least)",
            f"{rank:.0f} of {len(ranks)}",
            f"90 % of draws: {low:.0f} to {high:.0f}",
            delta_color="off",
            delta_arrow="off",
            help="Among all layers by this value, and where draws within the intervals put it",
        )
        show_cost("Perplexity without it alone", (layer,), database, run)
    left, right = st.columns(2)
    with left:
        values = [float(row[layer]) for row in found.by_stratum]
        st.markdown(f"**Depth.** {depth_words(result.strata, values)}")
        parts.show_chart(depth_bars(players[layer], result.strata, values, unit), key="depth")
    with right:
        st.markdown(f"**Partners.** Its {_STRONGEST} strongest local interactions (estimated), nats a token.")
        if result.interactions is None:
            st.info("Interactions are estimated at the end of a run.")
        else:
            alt = f"The strongest interactions of layer {players[layer]}"
            pairs = estimated.pairs(database, run, "local", LOG_SCORE.name)
            draw_table(partner_table(layer, pairs, players), alt, f"partners-{players[layer]}-{run.run}")


def partner_table(layer: int, found: PairInteractions, players: Players) -> pd.DataFrame:
    """The strongest interactions of a layer, in words."""
    known = labels(players)
    mine = [pair for pair in found.pairs if layer in (pair.first, pair.second)][:_STRONGEST]
    rows = [
        {
            "with layer": known[pair.second if pair.first == layer else pair.first],
            "meaning": pair.meaning,
            "interaction": pair.value,
            "low (90 %)": pair.low,
            "high (90 %)": pair.high,
        }
        for pair in mine
    ]
    return pd.DataFrame(rows)


def depth_words(strata: tuple[int, ...], values: list[float]) -> str:
    """At which stratum a layer matters most; strata come in any order, and one alone compares with nothing."""
    if len(strata) == 1:
        return ""
    strongest, _ = max(zip(strata, values, strict=True), key=lambda pair: abs(pair[1]))
    if strongest == max(strata):
        return f"It matters most while few others are missing ({strongest} layers kept)."
    if strongest == min(strata):
        return f"It matters most when many others are missing ({strongest} layers kept)."
    return f"It matters most in between ({strongest} layers kept)."
