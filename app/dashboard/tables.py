"""Tables beside the charts: the same data for reading, for screen readers, as CSV, and for a paper."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from app.figures.latex import latex
from app.words import Players, labels, named
from core.coalitions.measurements import Floats
from core.records.plans import Comparison, Plan
from core.records.spec import ModelInfo
from core.records.values import Contribution, PairInteractions


def show_table(table: pd.DataFrame, alt: str, file: str) -> None:
    """A table that opens on demand, with its files."""
    import streamlit as st  # the tables alone are written to files, too, by processes that draw no page

    with st.expander("As a table"):
        draw_table(table, alt, file)


def draw_table(table: pd.DataFrame, alt: str, file: str, height: Literal["auto"] | int = "auto") -> None:
    """A table and its files: all digits as CSV, and three of them as LaTeX; `file` names both, and no other table's."""
    import streamlit as st

    st.dataframe(table, hide_index=True, alt=alt, height=height)
    offer_files(table, file)


def offer_files(table: pd.DataFrame, file: str) -> None:
    """Buttons for a table's files, as of `draw_table`."""
    import streamlit as st

    with st.container(horizontal=True, gap="small"):
        for name, written, ending, kind in (
            ("CSV", lambda: table.to_csv(index=False), "csv", "text/csv"),
            ("LaTeX", lambda: latex(table), "tex", "application/x-tex"),
        ):
            st.download_button(name, written, f"{file}.{ending}", kind, icon=":material/download:", type="tertiary")


def value_table(items: Sequence[Contribution], ranks: Floats, players: Players, head: str) -> pd.DataFrame:
    """The values of layers with their ranks (n, 3) under the name of their kind, `head`, least needed first."""
    known = labels(players)
    rows = [
        {
            "layer": known[item.layer],
            head: item.value,
            "low (90 %)": item.low,
            "high (90 %)": item.high,
            "other text (90 %)": item.calibration,
            "rank": int(rank),
            "lowest rank (90 %)": int(low),
            "highest rank (90 %)": int(high),
        }
        for item, (rank, low, high) in zip(items, ranks, strict=True)
    ]
    return pd.DataFrame(rows).sort_values(head, ignore_index=True)


def by_layer_table(circumstance: str, rows: Sequence[str], values: Floats, players: Players) -> pd.DataFrame:
    """The values of a heatmap (rows, n): a column for each layer."""
    table = pd.DataFrame(values, columns=[f"layer {name}" for name in players])
    table.insert(0, circumstance, rows)
    return table


def methods_table(found: Comparison) -> pd.DataFrame:
    """Perplexity on other text of each method, by number of removed layers, with its compute both ways.

    Where the comparison has a compensation, a second row of each method says what is left after it.
    """
    rows: list[dict[str, object]] = []
    for method in found.methods:
        compute = {
            "units, plain": method.plain,
            "units, shared": method.shared,
            "coalitions": method.coalitions,
        }
        name = method.method if method.exportable else f"{method.method} (run-time matrix)"
        rows.append({"method": name, **{f"{plan.count} removed": plan.perplexity for plan in method.plans}, **compute})
        if method.compensated:
            after = {f"{plan.count} removed": plan.perplexity for plan in method.compensated}
            rows.append({"method": f"{method.method} after {found.compensation}", **after, **compute})
    return pd.DataFrame(rows)


def plan_table(plans: Sequence[Plan], model: ModelInfo) -> pd.DataFrame:
    """Plans with what was measured of them; of a hybrid, whether it still generates with a cache."""
    rows = [
        {
            "removed": plan.count,
            "layers": named(model.players, plan.removed),
            "perplexity": plan.perplexity,
            "low (90 %)": plan.low,
            "high (90 %)": plan.high,
            "ratio": plan.ratio,
            "parameters": plan.parameters,
            **({"with a cache": not model.is_uncached_without(plan.removed)} if model.attention else {}),
        }
        for plan in plans
    ]
    return pd.DataFrame(rows)


def interaction_table(found: PairInteractions, players: Players) -> pd.DataFrame:
    """All pairs, the strongest first."""
    known = labels(players)
    rows = [
        {
            "first": known[pair.first],
            "second": known[pair.second],
            "interaction": pair.value,
            "low (90 %)": pair.low,
            "high (90 %)": pair.high,
            "meaning": pair.meaning,
        }
        for pair in found.pairs
    ]
    return pd.DataFrame(rows)
