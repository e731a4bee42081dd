"""Two runs side by side: the settings that differ, their contributions on one figure, and how alike they rank."""

import pandas as pd
import streamlit as st

from app.dashboard import parts, state
from app.dashboard.tables import show_table
from app.example import shipped
from app.foreign import plain
from app.runs.compare_figure import comparison_dumbbells, rank_correlation
from app.runs.settings import parted, settings
from app.words import labels
from cache.queries import StoredRun
from core.records.results import RunResult

# From which rank correlation on two rankings are called alike, and up to which they are called different.
_ALIKE, _DIFFERENT = 0.9, 0.5
_NONE = "no other run"


def show_comparison(chosen: StoredRun, runs: list[StoredRun]) -> None:
    """A run beside another one, which the address names (?run=…&with=…) or a select box."""
    others = {run.run: run for run in runs if run.run != chosen.run and run.result is not None}
    asked = state.other_in_address()
    if asked not in (None, chosen.run, *others):
        known = ", ".join(others) or "none"
        parts.show_failure(f"There is no other run {asked} with contributions.", f"Those that are: {known}.")
    if chosen.result is None or not others:
        return
    name = st.selectbox(
        "Compare with",
        [_NONE, *others],
        index=1 + list(others).index(asked) if asked in others else 0,
        format_func=lambda name: f"{name} ({shipped.status(others[name])})" if name in others else name,
    )
    if name in others:
        state.remember_other(chosen.run, name)
        _show(chosen, chosen.result, others[name])
    elif asked in (chosen.run, *others):  # an address that names nothing stays as it is
        state.forget_other()


def _show(first: StoredRun, result: RunResult, second: StoredRun) -> None:
    other = second.result
    assert other is not None  # only such runs are offered
    _show_settings(first, second)
    if result.protocol != other.protocol:
        st.warning(
            "The two were measured on different text or by different protocols: their perplexities do not compare. "
            f"Run {plain(first.run)}: {plain(result.protocol)}. Run {plain(second.run)}: {plain(other.protocol)}."
        )
    if result.model.players != other.model.players:
        st.info(
            f"Run {plain(first.run)} is of {plain(_players(result))} and run {plain(second.run)} of "
            f"{plain(_players(other))}: their contributions "
            "have no layer-by-layer comparison."
        )
        return
    st.markdown(sentence(result, other))
    parts.show_chart(comparison_dumbbells(result, other), key="comparison")
    st.caption(
        "Stratified contributions to PPL_dense / PPL, estimated, each relative to its own run's dense perplexity. A "
        "long line is a layer on which the two runs disagree."
    )
    alt = "Contribution of each layer in both runs, with 90 % intervals"
    show_table(comparison_table(result, other), alt, f"comparison-{first.run}-{second.run}")


def _show_settings(first: StoredRun, second: StoredRun) -> None:
    ours, theirs = settings(first), settings(second)
    differing, constant = parted([ours, theirs])
    if differing:
        rows = [{"setting": name, first.run: ours[name], second.run: theirs[name]} for name in differing]
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt="The settings in which the two runs differ")
    same = "; ".join(f"{name} {value}" for name, value in constant.items())
    st.caption(f"The same in both: {plain(same)}." if differing else f"All settings are the same: {plain(same)}.")


def _players(result: RunResult) -> str:
    """Which players, shortly."""
    players = result.model.players
    return f"{len(players)} layers" if len(players) < 2 else f"{len(players)} layers ({players[0]} to {players[-1]})"


def sentence(first: RunResult, second: RunResult) -> str:
    """How alike two runs rank the layers, and on which layers their intervals exclude each other."""
    ours, theirs = first.overall, second.overall
    correlation = rank_correlation(first, second)
    how = "much alike" if correlation >= _ALIKE else "differently" if correlation < _DIFFERENT else "somewhat alike"
    apart = [
        first.model.players[mine.layer]
        for mine, other in zip(ours, theirs, strict=True)
        if mine.low > other.high or other.low > mine.high
    ]
    where = (
        f"The 90 % intervals over coalitions are apart for {len(apart)} of {len(ours)} layers: {', '.join(apart)}."
        if apart
        else "No layer's 90 % intervals over coalitions are apart."
    )
    return f"The two runs rank the layers **{how}**: the rank correlation (Spearman) is {correlation:.2f}. {where}"


def comparison_table(first: RunResult, second: RunResult) -> pd.DataFrame:
    """The contributions of two runs of the same players, in the order of the model."""
    known = labels(first.model.players)
    rows = [
        {
            "layer": known[ours.layer],
            first.run: ours.value,
            f"{first.run} low (90 %)": ours.low,
            f"{first.run} high (90 %)": ours.high,
            second.run: theirs.value,
            f"{second.run} low (90 %)": theirs.low,
            f"{second.run} high (90 %)": theirs.high,
            "difference": theirs.value - ours.value,
        }
        for ours, theirs in zip(first.overall, second.overall, strict=True)
    ]
    return pd.DataFrame(rows)
