"""Would masks that share prefixes on purpose pay? Error of the contributions against layers computed.

The sampler under test draws a stem, the first layers of a random mask, and goes on from it with several random endings,
so that each mask alone is uniform in its stratum. The game is a surrogate learnt from a finished run: it is near enough
to the real one, and its contributions are known.

    python -m benchmarks.sampling RUN [--cache FILE]
"""

import argparse
from pathlib import Path

import numpy as np

from cache import queries
from cache.database import Database, default_file
from cache.store import Store
from core.attribution.stratified import stratified_contributions
from core.coalitions.masks import Masks, layer_evaluations
from core.coalitions.measurements import Floats, Measurements
from core.sampling.strata import stratified
from core.surrogate.surrogate import Surrogate, fit

# Layers in a stem, and endings of each; no stem is the paper's independent sampler.
DESIGNS = ((0, 1, 300), (10, 2, 300), (12, 4, 300), (15, 4, 300), (18, 5, 300), (0, 1, 200), (12, 4, 375))
SEEDS = 8
SAMPLES = 20_000
HEAD = 7  # a head costs as much as about seven layers of the bundled model (benchmarks.evaluation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--cache", type=Path, default=default_file())
    options = parser.parse_args()
    database = Database(options.cache)
    run = queries.find_run(database, options.run)
    assert run.result is not None, "name a finished run"
    layers, strata = len(run.result.model.players), run.strata
    masks = np.concatenate([np.ones((1, layers), bool), stratified(layers, strata, run.spec.masks, run.spec.seed)])
    known = Store(database).known(run.game, masks)
    losses = np.array([known[row].losses for row in range(len(masks))], dtype=np.float64)
    game = fit(Measurements(masks[1:], losses[1:], losses[0]))
    truth = contributions(game, layers, strata)
    print("stem endings masks | layers computed, layers and heads | relative error of the contributions, 8 seeds")
    for stem, endings, count in DESIGNS:
        errors, computed = [], []
        for seed in range(SEEDS):
            sample = clustered(layers, strata, count, stem, endings, seed)
            seen = Measurements(sample, -np.log(game.predict(sample))[:, None], np.zeros(1))
            found = contributions(fit(seen), layers, strata)
            errors.append(np.linalg.norm(found - truth) / np.linalg.norm(truth))
            computed.append(layer_evaluations(sample))
        whole = np.mean(computed) + HEAD * count
        error, doubt = np.mean(errors), np.std(errors) / SEEDS**0.5
        print(f"{stem:4d} {endings:7d} {count:5d} | {np.mean(computed):7.0f} {whole:7.0f} | {error:.4f} ± {doubt:.4f}")


def contributions(game: Surrogate, layers: int, strata: tuple[int, ...]) -> Floats:
    return np.asarray(stratified_contributions(game, layers, strata, SAMPLES, 0).mean(axis=0))


def clustered(layers: int, strata: tuple[int, ...], count: int, stem: int, endings: int, seed: int) -> Masks:
    """Masks in equal numbers from each stratum, `endings` of them from each stem."""
    if not stem:
        return stratified(layers, strata, count, seed)
    rng = np.random.default_rng(seed)
    masks = []
    for kept in strata:
        found: dict[bytes, np.ndarray] = {}
        while len(found) < count // len(strata):
            first = np.zeros(layers, dtype=bool)
            first[rng.permutation(layers)[:kept]] = True
            left = kept - int(first[:stem].sum())
            for _ in range(endings):
                mask = np.concatenate([first[:stem], np.zeros(layers - stem, dtype=bool)])
                mask[stem + rng.permutation(layers - stem)[:left]] = True
                found.setdefault(mask.tobytes(), mask)
        masks += list(found.values())[: count // len(strata)]
    return np.array(masks)


if __name__ == "__main__":
    main()
