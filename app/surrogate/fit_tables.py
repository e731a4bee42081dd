"""How far a surrogate can be trusted -> tables, for the page and for CSV."""

import numpy as np
import pandas as pd

from app.words import named
from core.coalitions.masks import decode, removed
from core.coalitions.measurements import log_score
from core.records.diagnostics import Beyond, Diagnostics, HeldOut
from core.records.results import RunResult


def fit_table(result: RunResult) -> pd.DataFrame:
    """The held-out quality of every kind of surrogate, the best first."""
    rows = [
        {"surrogate": fit.name, "R²": fit.r2, "Spearman": fit.spearman, "mean absolute error": fit.mae}
        for fit in (result.surrogate, *result.others)
    ]
    return pd.DataFrame(rows).sort_values("R²", ascending=False, ignore_index=True)


def band_table(result: RunResult) -> pd.DataFrame:
    """The predictive intervals by number of layers kept, and how often they held."""
    rows = [
        {
            "layers kept": band.sizes,
            "within a factor of": band.factor,
            "true of others": f"{band.coverage:.0%}",
            "coalitions": band.masks,
        }
        for band in result.bands
    ]
    return pd.DataFrame(rows)


def held_out_table(result: RunResult, found: Diagnostics, held: HeldOut) -> pd.DataFrame:
    """Every coalition as measured and as predicted without it; log scores are bounded where a model is ruined."""
    measured, predicted = log_score(np.array(found.scores)), log_score(np.array(held.scores))
    return pd.DataFrame(
        {
            "removed": [named(result.model.players, removed(decode(mask))) for mask in found.masks],
            "layers kept": [mask.count("1") for mask in found.masks],
            "measured perplexity": result.dense_perplexity * np.exp(-measured),
            "predicted perplexity": result.dense_perplexity * np.exp(-predicted),
            "residual, nats a token": measured - predicted,
        }
    )


def beyond_table(beyond: Beyond) -> pd.DataFrame:
    """Every kind of surrogate on the smallest coalitions, with and without having seen such sizes."""
    rows = [
        {
            "surrogate": kind.name,
            "off by a factor of, sizes seen": float(np.exp(kind.inside)),
            "off by a factor of, extrapolated": float(np.exp(kind.beyond)),
            "Spearman, sizes seen": kind.spearman_inside,
            "Spearman, extrapolated": kind.spearman_beyond,
        }
        for kind in beyond.kinds
    ]
    return pd.DataFrame(rows).sort_values("off by a factor of, extrapolated", ignore_index=True)
