"""Compensation in a run: which text it is fitted on, and what is measured after it."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.coalitions.players import mask_without
from core.compensation.compensate import compensate
from core.compensation.projections import Patches, patched
from core.evaluate.game import Game, Games, check_written
from core.evaluate.reference import check_finite, sequence_losses
from core.records.events import Event, Stage
from core.records.mends import LEAST, Compensate, Compensation
from core.records.presets import PRESETS
from core.records.spec import Losses, RunSpec, TextSpec

_TOKENS = 12_288  # of the text that fits and judges; 96 windows of 128


def fitted_on(text: TextSpec, windows: int | None) -> TextSpec:
    """Calibration windows, drawn from what an evaluation never reads: so many, or 12,288 tokens."""
    bos = "none" if text.bos == "corpus" else text.bos
    windows = max(LEAST, _TOKENS // max(1, text.window)) if windows is None else windows
    return replace(text, split="calibration", sequences=windows, bos=bos, seed=0)


def unseen(text: TextSpec) -> TextSpec:
    """The text, or where calibration takes a part of it, the rest; protocols of the literature keep the two apart."""
    published = text.preset and text.corpus in PRESETS[text.preset].corpora
    return replace(text, split="evaluation") if text.split == "whole" and not published else text


def mended(
    games: Games, spec: RunSpec, text: TextSpec, removed: Sequence[int | str], how: Compensate
) -> Generator[Event, None, tuple[Compensation, Patches]]:
    """The compensation of a removal, fitted on calibration windows as long as those that it is measured on.

    These are opened first: what is wrong with them is said before a fit.

    Raises:
        QuorumError: before any forward if the request is wrong.
    """
    check = partial(mask_without, removed=removed)
    fitted = fitted_on(text, how.windows)
    check_written(fitted)
    yield from games.open(spec, unseen(text), check)
    game = yield from games.open(spec, fitted, check)
    mask = mask_without(game.loaded.info.players, removed)
    return (yield from compensate(game.loaded, game.windows, mask, how.how))


def with_patches(game: Game, mask: NDArray[np.bool_], patches: Patches) -> Generator[Event, None, Losses]:
    """The losses of a game's sequences (sequences,) under a mask, with other weights, by the model's own forward."""
    yield Stage("Measuring the compensated model")
    with patched(game.loaded.model, patches):
        losses = sequence_losses(game.loaded, game.windows.ids, mask)
        check_finite(game.loaded, game.windows.ids, mask, losses)
    return losses
