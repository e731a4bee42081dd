"""The error of Shapley values at equal numbers of evaluations: ours against the approximators of shapiq.

Games whose values are known: (a) synthetic ones, whose worth is a sum of terms over random coalitions; (b) the bundled
model in twelve groups of layers, all 4,096 coalitions measured (benchmarks/exhaustive.py), with the log score as worth.
The error is |estimate - exact| / |exact|, the mean over seeds; beside it, how many of our 90 % intervals
hold the value.
"""

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapiq

from benchmarks.exhaustive import GROUPED, GROUPS
from core.attribution import exact
from core.attribution.closed_form import measure, sizes, values
from core.attribution.named_values import with_doubt
from core.coalitions.masks import Masks, everything
from core.coalitions.measurements import Floats, Measurements
from core.sampling.strata import growing
from core.surrogate.surrogate import fit

BUDGETS = (5, 10, 20, 50, 100)  # evaluations a player
TERMS = 30
Game = Callable[[Masks], Floats]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/attribution.json"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    answer = {}
    for name, game in (("synthetic", synthetic), ("model", model)):
        rows = {method: errors(method, [game(seed) for seed in range(options.seeds)]) for method in METHODS}
        answer[name] = rows
        print(f"\n{name}: relative error at evaluations a player {BUDGETS}")
        for method, found in rows.items():
            print(f"  {method:28s}" + " ".join(f"{value:8.4f}" for value in found["error"]), end="")
            print("   coverage " + " ".join(f"{value:.2f}" for value in found.get("coverage", ())), flush=True)
    options.out.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")


def model(_: int) -> tuple[Game, int]:
    """The log score of the bundled model's twelve groups; (game, players)."""
    losses = np.load(GROUPED)["losses"].astype(np.float64)
    every = everything(GROUPS)
    return table(every, Measurements(every, losses, losses[-1]).log_scores)


def synthetic(seed: int) -> tuple[Game, int]:
    """A game of ten players: each term is worth something once all of its one to four players are there."""
    rng = np.random.default_rng(seed)
    masks = everything(10)
    members = [rng.choice(10, rng.integers(1, 5), replace=False) for _ in range(TERMS)]
    worths = sum(rng.normal() * masks[:, some].all(axis=1) for some in members)
    return table(masks, np.asarray(worths - worths[-1]) * 0.2)


def table(masks: Masks, worths: Floats) -> tuple[Game, int]:
    known = {mask.tobytes(): worth for mask, worth in zip(masks, worths, strict=True)}
    return lambda asked: np.array([known[mask.tobytes()] for mask in np.asarray(asked, dtype=bool)]), masks.shape[1]


def truth(game: Game, players: int) -> Floats:
    masks = everything(players)
    found = exact.cube(masks, game(masks))
    assert found is not None
    return exact.values(found, sizes(measure("shapley", players), players - 1))


def errors(method: str, games: list[tuple[Game, int]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"error": []}
    for budget in BUDGETS:
        error, inside = [], []
        for seed, (game, players) in enumerate(games):
            right = truth(game, players)
            value, half = METHODS[method](game, players, min(budget * players, 2**players - 1), seed)
            error.append(np.linalg.norm(value - right) / np.linalg.norm(right))
            if half is not None:
                inside.append(np.mean(abs(value - right) <= half))
        found["error"].append(float(np.mean(error)))
        if inside:
            found.setdefault("coverage", []).append(float(np.mean(inside)))
    return found


def ours(game: Game, players: int, budget: int, seed: int) -> tuple[Floats, Floats]:
    masks = growing(players, budget - 1, seed)  # the whole model is the last evaluation
    measured = Measurements(masks, -game(masks)[:, None], -game(np.ones((1, players), dtype=bool)))
    how = measure("shapley", players)
    return with_doubt(fit(measured, log=True), lambda games: values(games, how), seed)


def approximator(make: Callable[..., shapiq.approximator.KernelSHAP]) -> Callable[..., tuple[Floats, None]]:
    def estimate(game: Game, players: int, budget: int, seed: int) -> tuple[Floats, None]:
        empty = float(game(np.zeros((1, players), dtype=bool))[0])
        found = make(players, random_state=seed).approximate(budget, lambda masks: game(np.atleast_2d(masks)) - empty)
        return np.array([found.dict_values.get((player,), 0.0) for player in range(players)]), None

    return estimate


METHODS: dict[str, Callable[..., tuple[Floats, Floats | None]]] = {
    "ours": ours,
    "KernelSHAP, paired": approximator(lambda n, **o: shapiq.KernelSHAP(n, pairing_trick=True, **o)),
    "permutation": approximator(shapiq.approximator.PermutationSamplingSV),
    "SVARM": approximator(shapiq.approximator.SVARM),
    "kADD-SHAP": approximator(lambda n, **o: shapiq.approximator.kADDSHAP(n, max_order=2, **o)),
    "unbiased KernelSHAP": approximator(shapiq.approximator.UnbiasedKernelSHAP),
}


if __name__ == "__main__":
    main()
