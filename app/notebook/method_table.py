"""Ours and the literature's methods on one model, as a table."""

from collections.abc import Sequence
from os import PathLike

import pandas as pd

from app.notebook.answers import plan_rows
from app.notebook.given import compensation_of, integer_of, integers_of, positive, spec_of, texts_of
from app.notebook.sessions import Cache, open_results, work
from core.errors import SelectionError
from core.records.plans import USUAL_METHODS, MethodResult, methods_for
from core.records.spec import BUNDLED


def compare(
    methods: Sequence[str] | str | None = None,
    model: str | PathLike[str] = BUNDLED,
    corpus: str | PathLike[str] = "python-docs",
    *,
    counts: Sequence[int] | int | None = None,
    units: float = 1.0,
    compensate: str = "none",
    fit: int | None = None,
    sequences: int = 10,
    window: int = 128,
    seed: int = 0,
    dtype: str = "auto",
    device: str = "auto",
    bos: str = "auto",
    players: str = "block",
    protect: Sequence[int] = (),
    field: str = "",
    preset: str = "",
    cache: Cache = None,
) -> pd.DataFrame:
    """Lets methods choose layers on the calibration sequences, and judges all of them on text that none has seen.

    Args:
        methods: quorum, random, magnitude, shortgpt, window, one-shot, taylor, taylor+, paper, sleb, evopress, cbo,
            lorp, prune-comp, replaceme, linearpatch (the last three with a compensation of their own); None takes the
            command line's.
        counts: players to remove; None takes 10, 20, 30 and 40 % of them.
        units: compute of quorum, and of evopress for each count; 1 is SLEB's path to two fifths of the layers.
        compensate: scale, refit or logits shows every choice after it, too.
        fit: calibration windows to fit on; None takes as many as 12,288 tokens give.
        model, corpus, sequences, window, seed, dtype, device, bos, players, protect, field, preset, cache: as of
            `run`.

    Returns:
        A row for each method and count: method, count, removed, parameters, perplexity, low, high, ratio, ratio_low,
        ratio_high, source, uncached, coalitions, tokens, plain, shared (compute by forwards that share nothing, and
        with each shared prefix computed once). With `compensate` also after, after_low and after_high, the perplexity
        after it. `attrs["perplexity"]` is the whole model's.

    Raises:
        QuorumError: before any evaluation if the request is wrong.
    """
    from core.baselines.compare import Match

    spec = spec_of(
        model=model,
        corpus=corpus,
        sequences=sequences,
        window=window,
        seed=seed,
        dtype=dtype,
        device=device,
        bos=bos,
        players=players,
        protect=protect,
        field=field,
        preset=preset,
    )
    chosen = methods_for(spec.players, USUAL_METHODS) if methods is None else texts_of(methods, "methods")
    if not chosen:
        raise SelectionError("No method would be compared.", 'Name one or more: methods=["quorum", "sleb"].')
    how = compensation_of(compensate)
    windows = None if fit is None else integer_of(fit, "fit")
    match = Match(
        chosen,
        None if counts is None else integers_of(counts, "counts"),
        units,
        "none" if how is None else how.how,
        windows,
    )
    positive(units, "units")
    done, _ = work(open_results(cache), "compare", spec, match)
    found = done.comparison
    rows = [
        {
            "method": method.method,
            **row,
            **_after(method, plan.count, how is not None),
            "coalitions": method.coalitions,
            "tokens": method.tokens,
            "plain": method.plain,
            "shared": method.shared,
        }
        for method in found.methods
        for plan, row in zip(method.plans, plan_rows(method.plans, found.model), strict=True)
    ]
    table = pd.DataFrame(rows)
    table.attrs["perplexity"] = found.dense_perplexity
    return table


def _after(method: MethodResult, count: int, asked: bool) -> dict[str, float | None]:
    """What compensation leaves of a choice, if it was asked for; None where it ruins the model."""
    found = next((plan for plan in method.compensated if plan.count == count), None)
    figures = (found.perplexity, found.low, found.high) if found is not None else (None, None, None)
    return dict(zip(("after", "after_low", "after_high"), figures, strict=True)) if asked else {}
