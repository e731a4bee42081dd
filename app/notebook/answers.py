"""What a cell gets back: tables with players as they are shown, and small records."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from core.records.events import Exported, Measured
from core.records.fits import Prediction as Predicted
from core.records.plans import Plan
from core.records.spec import ModelInfo
from core.records.values import Contribution, LayerValues, PairInteractions


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the surrogate expects without some players: the perplexity, and a 90 % predictive interval of it."""

    removed: tuple[str, ...]
    perplexity: float
    low: float
    high: float
    extrapolated: bool  # far from every coalition that was measured
    shares: pd.DataFrame = field(repr=False)  # player, value: what each takes from the log score, nats a token
    measured: float | None  # the perplexity that was measured, if it was: it is the number, and stays out of the fit
    basis: str  # what the surrogate rests on, in words


@dataclass(frozen=True)
class Measurement:
    """What was measured without some players, on the run's own sequences."""

    removed: tuple[str, ...]
    perplexity: float
    mean_nll: float  # nats a token
    kl: float | None  # from the whole model's predictions, nats a token, if it was asked for
    parameters: int  # of the model that is left


@dataclass(frozen=True)
class ExportedModel:
    """A folder that plain transformers loads, whose model has the masked one's losses."""

    path: Path
    removed: tuple[str, ...]
    perplexity: float  # on text that choosing them has not used
    deleted: int  # parameters that are gone from the files
    zeroed: int  # parameters that are there, and zero
    seconds: float  # of a forward of one window, the median
    seconds_whole: float  # the same of the whole model
    uncompensated: float  # the perplexity without compensation; the same where there is none
    gguf: Path | None  # the file for llama.cpp, where one was asked for


@dataclass(frozen=True, eq=False)
class HealedModel(ExportedModel):
    """One that was trained after the cut."""

    before: float  # the perplexity before training, compensated if that was asked for
    steps: int  # that were made
    kept: int  # the step whose state was written; 0: no step lowered the loss of what was held out
    # step, loss (of training, nats a token), perplexity (of what was held out)
    readings: pd.DataFrame = field(repr=False)


def contribution_table(items: Iterable[Contribution], players: Sequence[str]) -> pd.DataFrame:
    """player, value, low, high, calibration; a row for each player, in the order of the model."""
    columns = ["value", "low", "high", "calibration"]
    rows = [[players[item.layer], *(getattr(item, name) for name in columns)] for item in items]
    return pd.DataFrame(rows, columns=["player", *columns])


def value_table(found: LayerValues, players: Sequence[str]) -> pd.DataFrame:
    """player, value, low, high; a row for each player, in the order of the model."""
    rows = [(players[item.layer], item.value, item.low, item.high) for item in found.values]
    return pd.DataFrame(rows, columns=["player", "value", "low", "high"])


def interaction_table(found: PairInteractions, players: Sequence[str]) -> pd.DataFrame:
    """first, second, value, low, high, meaning; a row for each pair, the strongest first."""
    rows = [
        (players[pair.first], players[pair.second], pair.value, pair.low, pair.high, pair.meaning)
        for pair in found.pairs
    ]
    return pd.DataFrame(rows, columns=["first", "second", "value", "low", "high", "meaning"])


def plan_rows(plans: Iterable[Plan], model: ModelInfo) -> list[dict[str, object]]:
    """A row for each plan, its removed players by name."""
    return [
        {
            **asdict(plan),
            "removed": _named(plan.removed, model.players),
            "uncached": model.is_uncached_without(plan.removed),
        }
        for plan in plans
    ]


def prediction(found: Predicted, players: Sequence[str], measured: float | None, basis: str) -> Prediction:
    """A prediction with players by name, what was measured of them, and what it rests on."""
    rows = [(players[share.layer], share.value) for share in found.shares]
    shares = pd.DataFrame(rows, columns=["player", "value"])
    removed = _named(found.removed, players)
    interval = found.low, found.high
    return Prediction(removed, found.perplexity, *interval, found.extrapolated, shares, measured, basis)


def measurement(found: Measured) -> Measurement:
    """A measurement with players by name."""
    removed = _named(found.removed, found.model.players)
    return Measurement(removed, found.perplexity, found.mean_nll, found.kl, found.parameters)


def exported_model(done: Exported) -> ExportedModel:
    """An export with players by name."""
    return ExportedModel(**_exported(done))


def healed_model(done: Exported) -> HealedModel:
    """An export that trained, with players by name."""
    healed = done.healing
    assert healed is not None  # it was asked for
    readings = pd.DataFrame([asdict(reading) for reading in healed.readings]).astype({"loss": float})
    return HealedModel(
        **_exported(done), before=healed.before, steps=healed.steps, kept=healed.kept.step, readings=readings
    )


def _exported(done: Exported) -> dict[str, Any]:
    return {
        "path": Path(done.path),
        "removed": _named(done.removed, done.players),
        "perplexity": done.perplexity,
        "deleted": done.deleted,
        "zeroed": done.zeroed,
        "seconds": done.pruned,
        "seconds_whole": done.whole,
        "uncompensated": done.plain,
        "gguf": Path(done.gguf) if done.gguf else None,
    }


def _named(places: Iterable[int], players: Sequence[str]) -> tuple[str, ...]:
    return tuple(players[place] for place in places)
