"""What adaptive sampling gains over the paper's sampler, at equal numbers of evaluations.

On the bundled model in twelve groups of layers, whose 4,096 coalitions are all measured (benchmarks/exhaustive.py), so
that every figure is held against the exact one. The error of a value is |estimate - exact| / |exact|. The rise above
the best is how much worse, in nats a token, the best coalition that was measured is than the best there is, the mean
over 1 to 6 removed groups.
"""

import argparse

import numpy as np

from benchmarks import games
from benchmarks.games import EVERY, PLAYERS
from core.attribution import exact
from core.attribution.hybrid import Averaging, averaging, hybrid
from core.coalitions.masks import Masks
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
_LOG_SCORES = games.log_score("grouped")  # in the order of EVERY
_PLACES = 2 ** np.arange(PLAYERS)[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    truth = {(kind, worth): exact_values(kind, worth) for kind, worth in VALUES}
    print(f"at {BUDGETS} evaluations")
    for sampler in SAMPLERS:
        errors: dict[str, list[float]] = {f"{kind} value of {worth}": [] for kind, worth in VALUES}
        errors["rise above the best"] = []
        for budget in BUDGETS:
            found = [sampled(sampler, budget, seed) for seed in range(options.seeds)]
            for (kind, worth), right in truth.items():
                estimates = [estimated(measured, kind, worth) for measured in found]
                away = [np.linalg.norm(estimate - right) / np.linalg.norm(right) for estimate in estimates]
                errors[f"{kind} value of {worth}"].append(float(np.mean(away)))
            errors["rise above the best"].append(float(np.mean([regret(measured) for measured in found])))
        for name, row in errors.items():
            print(f"  {sampler:11s} {name:28s}" + " ".join(f"{value:8.4f}" for value in row), flush=True)


def sampled(sampler: str, budget: int, seed: int) -> Measurements:
    """What a run of that many evaluations would have measured."""
    spec = RunSpec(sampler=sampler, masks=budget, seed=seed)
    strata, masks = begin(spec, PLAYERS)
    known = measured_in(masks[1:])
    while sampler == "adaptive" and len(known) < budget:
        more = propose(known, strata, min(budget - len(known), max(10, int(ROUND * budget))), seed)
        known = measured_in(np.concatenate([known.masks, more]))
    return known


def measured_in(masks: Masks) -> Measurements:
    return Measurements(masks, -_LOG_SCORES[masks @ _PLACES][:, None], -_LOG_SCORES[-1:])


def estimated(measured: Measurements, kind: str, worth: str) -> Floats:
    log = WORTHS[worth].log
    return hybrid(fit(measured, log=log), log).values([_averaging(kind)], 0)[0]


def exact_values(kind: str, worth: str) -> Floats:
    worths = _LOG_SCORES if WORTHS[worth].log else np.exp(_LOG_SCORES)
    return exact.values(worths.reshape((2,) * PLAYERS), _averaging(kind).sizes)


def regret(measured: Measurements) -> float:
    gone, seen = (~EVERY).sum(axis=1), (~measured.masks).sum(axis=1)
    rises = []
    for count in range(1, LARGEST + 1):
        here = -measured.rises[seen == count]
        best = here.max() if len(here) else _LOG_SCORES.min()
        rises.append(_LOG_SCORES[gone == count].max() - best)
    return float(np.mean(rises))


def _averaging(kind: str) -> Averaging:
    return averaging(kind, PLAYERS, default_strata(PLAYERS))


if __name__ == "__main__":
    main()
