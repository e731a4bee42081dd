"""The losses of coalitions that a notebook names itself."""

from collections.abc import Sequence
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.notebook.given import masks_of, spec_of
from app.notebook.sessions import Cache, open_results, work


def evaluate(
    model: str | PathLike[str],
    corpus: str | PathLike[str],
    masks: ArrayLike,
    *,
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
) -> NDArray[np.float32]:
    """Measures coalitions, where they are not known: the loss of each on each calibration sequence.

    Args:
        masks: (masks, players), True for a player who is kept; a row of True is the whole model.
        model, corpus, sequences, window, seed, dtype, device, bos, players, protect, field, preset, cache: as of
            `run`. The sequences are those of a run with the same.

    Returns:
        Mean negative log-likelihood, nats a token, (masks, sequences); NaN or infinite where a coalition's is.

    Raises:
        QuorumError: before any evaluation if the request is wrong; EvaluationError after all of them if the whole
            model's loss is not a number either.
    """
    asked = masks_of(masks)
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
    _, losses = work(open_results(cache), "evaluate", spec, asked)
    return np.asarray(losses)
