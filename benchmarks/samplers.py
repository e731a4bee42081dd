"""What adaptive sampling gains over the paper's sampler, at equal numbers of evaluations.

On the bundled model in twelve groups of layers, whose 4,096 coalitions are all measured (benchmarks/exhaustive.py), so
that every figure is held against the exact one. The error of a value is |estimate - exact| / |exact|. The rise above
the best is how much worse, in nats a token, the best coalition that was measured is than the best there is, the mean
over 1 to 6 removed groups.
"""

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.attribution import Game, model
from core.attribution import exact
from core.attribution.closed_form import measure, sizes, values
from core.attribution.named_values import measure_of
from core.coalitions.masks import Masks, everything
from core.coalitions.measurements import Floats, Measurements
from core.coalitions.worth import WORTHS
from core.records.spec import RunSpec
from core.sampling.adaptive import propose
from core.sampling.samplers import begin
from core.sampling.strata import default_strata
from core.surrogate.surrogate import fit

BUDGETS = (40, 80, 160, 320)
SAMPLERS = ("stratified", "adaptive", "shapley")
VALUES = (("stratified", "score"), ("local", "log_score"), ("shapley", "log_score"))
ROUND = 0.1  # of the budget, proposed at once
LARGEST = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    game, players = model(0)
    every = everything(players)
    truth = {(kind, worth): exact_values(every, game, kind, worth) for kind, worth in VALUES}
    print(f"at {BUDGETS} evaluations")
    for sampler in SAMPLERS:
        errors: dict[str, list[float]] = {f"{kind} value of {worth}": [] for kind, worth in VALUES}
        errors["rise above the best"] = []
        for budget in BUDGETS:
            found = [sampled(sampler, game, players, budget, seed) for seed in range(options.seeds)]
            for (kind, worth), right in truth.items():
                estimates = [estimated(measured, kind, worth) for measured in found]
                away = [np.linalg.norm(estimate - right) / np.linalg.norm(right) for estimate in estimates]
                errors[f"{kind} value of {worth}"].append(float(np.mean(away)))
            errors["rise above the best"].append(float(np.mean([regret(measured, game) for measured in found])))
        for name, row in errors.items():
            print(f"  {sampler:11s} {name:28s}" + " ".join(f"{value:8.4f}" for value in row), flush=True)


def sampled(sampler: str, game: Game, players: int, budget: int, seed: int) -> Measurements:
    """What a run of that many evaluations would have measured."""
    spec = RunSpec(sampler=sampler, masks=budget, seed=seed)
    strata, masks = begin(spec, players)
    known = measured_in(game, masks[1:])
    while sampler == "adaptive" and len(known) < budget:
        more = propose(known, strata, min(budget - len(known), max(10, int(ROUND * budget))), seed)
        known = measured_in(game, np.concatenate([known.masks, more]))
    return known


def measured_in(game: Game, masks: Masks) -> Measurements:
    return Measurements(masks, -game(masks)[:, None], -game(np.ones((1, masks.shape[1]), dtype=bool)))


def estimated(measured: Measurements, kind: str, worth: str) -> Floats:
    players = measured.masks.shape[1]
    process = fit(measured, log=WORTHS[worth].log).process
    return values([process], measure_of(kind, players, default_strata(players)))[0]


def exact_values(every: Masks, game: Game, kind: str, worth: str) -> Floats:
    players = every.shape[1]
    worths = game(every) if WORTHS[worth].log else np.exp(game(every))
    found = exact.cube(every, worths)
    assert found is not None
    if kind == "stratified":
        return exact.values(found, exact.stratified_sizes(players, default_strata(players)))
    return exact.values(found, sizes(measure(kind, players), players - 1))


def regret(measured: Measurements, game: Callable[[Masks], Floats]) -> float:
    every = everything(measured.masks.shape[1])
    worths, gone, seen = game(every), (~every).sum(axis=1), (~measured.masks).sum(axis=1)
    rises = []
    for count in range(1, LARGEST + 1):
        here = -measured.rises[seen == count]
        best = here.max() if len(here) else worths.min()
        rises.append(worths[gone == count].max() - best)
    return float(np.mean(rises))


if __name__ == "__main__":
    main()
