"""Any number of runs side by side: contributions and curves on one chart each, how alike they rank, what differs."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from app.comparing.compare_figure import contributions_overlaid, correlation_matrix, curves_overlaid
from app.comparing.rank_agreement import are_layered_alike, correlations, depths
from app.dashboard import parts
from app.dashboard.session import state, widgets
from app.dashboard.tables import draw_table, show_table
from app.digits import perplexity
from app.foreign import code, plain
from app.preview.steps import Steps, best
from app.runs.settings import parted, settings
from app.words import called, labels, named
from app.worker import client
from cache.queries import StoredRun
from core.coalitions.measurements import Floats
from core.records.results import RunResult

# From which rank correlation on two rankings are called alike, and up to which they are called different.
_ALIKE, _DIFFERENT = 0.9, 0.5
_TOLD = 2  # settings that a run has beside its name where several are drawn
_CHOICE = "compare-with"

Results = Mapping[str, RunResult]  # by what a run is called on the charts


def compared(chosen: StoredRun | None, runs: Sequence[StoredRun]) -> list[StoredRun]:
    """The runs that the address holds beside the one on show, as far as they have contributions."""
    if chosen is None or chosen.findings is None:
        return []
    asked = state.compared_in_address()
    return [run for run in runs if run.run in asked and run is not chosen and run.findings is not None]


def show_comparison(chosen: StoredRun, runs: Sequence[StoredRun]) -> None:
    """A run beside any others, which the address names (?run=…&compare=…,…) or a box lets choose."""
    others = {run.run: run for run in runs if run.run != chosen.run and run.findings is not None}
    asked = [name for name in state.compared_in_address() if name != chosen.run]
    early = [name for name in asked if name not in others]
    if early:
        parts.show_failure(f"{', '.join(early)}: no contributions yet.", "They are compared as soon as there are some.")
    if chosen.findings is None or not others:
        return
    widgets.settle_several(_CHOICE, list(others), asked)
    names = st.multiselect(
        "Compare with",
        list(others),
        format_func=lambda name: parts.described(others[name]),
        key=_CHOICE,
        placeholder="Choose any number of runs",
        help="While runs are compared, they are what the page shows: a new run can be started once none is here",
        on_change=lambda: state.remember_compared(chosen.run, [*widgets.value(_CHOICE), *early]),
    )
    state.remember_compared(chosen.run, [*names, *early])
    if names:
        _show([chosen, *(others[name] for name in names)])


def _show(runs: Sequence[StoredRun]) -> None:
    names = short_names(runs)
    results = {name: run.result for name, run in zip(names, runs, strict=True) if run.result is not None}
    plans = {name: best(client.shared().database, run) for name, run in zip(names, runs, strict=True)}
    agreement = correlations(tuple(results.values()))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(sentence(results, agreement), width="stretch")
        _show_protocols(results)
    left, right = st.columns(2)
    with left:
        parts.show_chart(contributions_overlaid(results), key="compared-contributions")
    with right:
        _show_curves(results, plans)
    left, right = st.columns(2)
    with left:
        parts.show_chart(correlation_matrix([run.run for run in runs], agreement), key="compared-ranks")
    with right:
        _show_settings(runs)
    file = "-".join(run.run for run in runs)
    alt = "Contribution of each layer in each run, with 90 % intervals"
    show_table(contribution_table(results), alt, f"contributions-{file}")
    show_table(curve_table(results, plans), "What the best plans of each run cost", f"plans-{file}")
    ranks = pd.DataFrame(agreement, columns=[run.run for run in runs])
    ranks.insert(0, "run", names)
    show_table(ranks, "Rank correlation (Spearman) of the contributions of every two runs", f"ranks-{file}")


def _show_curves(results: Results, plans: Mapping[str, Steps]) -> None:
    without = [name for name, steps in plans.items() if not steps]
    if len(without) < len(plans):
        parts.show_chart(curves_overlaid(results, plans), key="compared-curves")
    if without:
        st.caption(f"No search yet, and so no curve: {plain('; '.join(without))}.")


def _show_settings(runs: Sequence[StoredRun]) -> None:
    every = {run.run: settings(run) for run in runs}
    if differing := parted(list(every.values()))[0]:
        rows = [{"setting": name, **{run: own[name] for run, own in every.items()}} for name in differing]
        draw_table(pd.DataFrame(rows), "The settings in which the runs differ", f"settings-{'-'.join(every)}")
    else:
        st.caption("All settings are the same.")


def _show_protocols(results: Results) -> None:
    """How the figures of each run were measured; said aloud where they do not compare."""
    apart = len({result.protocol for result in results.values()}) > 1
    with st.popover("Protocols differ" if apart else "Protocol", icon=":material/warning:" if apart else None):
        if apart:
            st.warning("Different texts or protocols: perplexities do not compare, and ratios only as each on its own.")
        for name, result in results.items():
            st.markdown(
                f"{plain(name)}. {plain(result.protocol)}; dense perplexity {perplexity(result.dense_perplexity)} "
                "(measured)"
            )


def short_names(runs: Sequence[StoredRun]) -> list[str]:
    """What runs are called where several are drawn: by the names that people gave, or by what sets them apart."""
    every = [settings(run) for run in runs]
    told = parted(every)[0][:_TOLD]
    return [
        f"{run.label.name} · {run.run}"
        if run.label.name
        else " · ".join([run.run, *(f"{setting} {called(own[setting])}" for setting in told)])
        for run, own in zip(runs, every, strict=True)
    ]


def sentence(results: Results, agreement: Floats) -> str:
    """How alike runs rank their layers (runs, runs), and of two of the same layers where their intervals are apart."""
    names, alike = list(results), are_layered_alike(tuple(results.values()))
    by_depth = "" if alike else ", interpolated on relative depth where layers differ"
    if len(names) > 2:
        pairs = [(float(agreement[row, at]), names[row], names[at]) for row in range(len(names)) for at in range(row)]
        (low, *least), (high, *most) = min(pairs), max(pairs)
        return (
            f"Rankings agree least between {_both(least)} (rank correlation **{low:.2f}**, Spearman{by_depth}) "
            f"and most between {_both(most)} (**{high:.2f}**)."
        )
    correlation = float(agreement[0, 1])
    how = "much alike" if correlation >= _ALIKE else "differently" if correlation < _DIFFERENT else "somewhat alike"
    said = f"The two runs rank the layers **{how}**: the rank correlation (Spearman{by_depth}) is {correlation:.2f}."
    return f"{said} {_apart(*results.values())}" if alike else said


def _both(names: Sequence[str]) -> str:
    return " and ".join(code(name.split(" · ")[0]) for name in names)


def _apart(first: RunResult, second: RunResult) -> str:
    apart = [
        first.model.players[mine.layer]
        for mine, other in zip(first.overall, second.overall, strict=True)
        if mine.low > other.high or other.low > mine.high
    ]
    if not apart:
        return "No layer's 90 % intervals over coalitions are apart."
    return (
        f"90 % intervals over coalitions are apart for {len(apart)} of {len(first.overall)} layers: {', '.join(apart)}."
    )


def contribution_table(results: Results) -> pd.DataFrame:
    """The contributions of runs, one below the other, each layer with its relative depth."""
    rows = [
        {
            "run": name,
            "layer": layer,
            "relative depth": depth,
            "contribution": item.value,
            "low (90 %)": item.low,
            "high (90 %)": item.high,
        }
        for name, result in results.items()
        for item, layer, depth in zip(
            result.overall, labels(result.model.players), depths(len(result.overall)), strict=True
        )
    ]
    return pd.DataFrame(rows)


def curve_table(results: Results, plans: Mapping[str, Steps]) -> pd.DataFrame:
    """The best plans of runs, as far as they are measured: perplexity over the whole model's, with its interval."""
    rows = [
        {
            "run": name,
            "removed": count,
            "share": count / len(result.model.players),
            "perplexity / whole model's": step.perplexity / result.dense_perplexity,
            "low (90 %)": step.low / result.dense_perplexity,
            "high (90 %)": step.high / result.dense_perplexity,
            "layers": named(result.model.players, step.removed),
        }
        for name, result in results.items()
        for count, step in plans[name].items()
        if step.perplexity is not None
    ]
    return pd.DataFrame(rows)
