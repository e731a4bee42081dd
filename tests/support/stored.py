"""A finished run of a game known in closed form, written to a results file without a model; and a small game."""

import numpy as np

from cache.database import Database
from cache.store import Store
from core.attribution.contributions import contributions
from core.attribution.named_values import interactions_of
from core.coalitions.masks import encode, without
from core.coalitions.measurements import Measurements
from core.records.results import RunResult
from core.records.spec import ModelInfo, RunSpec, TextProtocol
from core.records.storage import Evaluation
from core.sampling.strata import default_strata, stratified
from core.surrogate.conformal import bands
from core.surrogate.surrogate import fit
from core.surrogate.validation import of_process, residuals

# A game that nobody has measured.
MODEL = ModelInfo("tiny", "LlamaForCausalLM", 6, 1000, "f" * 16, "float32", "cpu")
PROTOCOL = TextProtocol("tale.txt", "calibration", 8, 8, "none", 3, 0, "a" * 16)
MASKS = stratified(6, (5, 4, 3), 20, 0)
DENSE = np.array([2.0, 2.5, 3.0, 3.5])


def loss(masks: np.ndarray) -> np.ndarray:
    """Rise of the mean NLL, (masks, sequences). Layers 1 and 2 cost least alone; each makes up for the other.

    The last layer matters on the last sequence only.
    """
    gone = (~masks).astype(float)
    cost = np.linspace(0.1, 0.3, masks.shape[1])
    cost[[1, 2, -1]] = 0.02, 0.03, 0.0
    rise = gone @ cost + 0.8 * gone[:, 1] * gone[:, 2]
    return np.asarray(rise[:, None] + gone[:, -1:] * np.array([0.0, 0.0, 0.0, 1.0]))


def store_run(
    database: Database, layers: int = 8, count: int = 120, *, kl: bool = False, players: tuple[str, ...] = ()
) -> RunResult:
    """Measures coalitions without three players or more, every removal of one but the first, and none of two.

    The players are the layers, unless others are named.
    """
    spec = RunSpec(model="made-up", corpus="made-up", sequences=len(DENSE), window=16, masks=count)
    model = ModelInfo("made-up", "Llama", layers, 1000, "f" * 16, "float32", "cpu", players)
    protocol = TextProtocol("made-up", "calibration", 16, 16, "none", len(DENSE), 0, "0" * 16)
    playing = len(model.players)
    strata = default_strata(playing)
    singles = [without(playing, [player]) for player in range(1, playing)]
    sampled = stratified(playing, strata, count, 0)
    masks = np.concatenate([sampled[(~sampled).sum(axis=1) > 2], singles])
    measured = Measurements(masks, DENSE + loss(masks), DENSE)
    store = Store(database)
    game = store.open_game(model, protocol)
    run = store.begin(game, spec, protocol, strata)
    rows = [("1" * playing, DENSE), *((encode(mask), row) for mask, row in zip(masks, measured.losses, strict=True))]
    made_up = [Evaluation(name, row.astype(np.float32), (row - DENSE).astype(np.float32)) for name, row in rows]
    store.record(game, [item if kl else item._replace(divergences=None) for item in made_up])
    surrogate = fit(measured)
    quality = of_process(surrogate, 0)
    result = RunResult(
        run=run,
        model=model,
        protocol=protocol,
        strata=strata,
        masks=len(masks),
        dense_perplexity=float(np.exp(DENSE.mean())),
        contributions=contributions(surrogate, strata, 0, 2000),
        surrogate=quality,
        others=(),
        not_finite=0,
        measured=len(rows),
        cached=0,
        seconds=1.0,
        interactions=interactions_of(surrogate, quality, "local", 0),
        bands=bands(masks, residuals(measured, 0), 0),
        added=tuple(map(encode, masks)),
    )
    store.save(result, "finished")
    return result
