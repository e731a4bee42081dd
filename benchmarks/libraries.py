"""The errors of shapiq's newest approximators on the games of `benchmarks.games`, kept in benchmarks/libraries.json.

shapiq from 1.5 on needs Python 3.12, and this product runs on 3.11, so that this script has an environment of its own:

    python3.12 -m venv ENV && ENV/bin/pip install shapiq==1.8.0 xgboost lightgbm
    ENV/bin/python -m benchmarks.libraries

It needs numpy and shapiq alone. Errors are |estimate - exact| / |exact|, one for each seed.
"""

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shapiq
from shapiq import approximator

from benchmarks.games import EVERY, PLAYERS, Worths, games

BUDGETS = (5, 10, 20, 50, 100)  # evaluations a player
KEPT = Path(__file__).parent / "libraries.json"
LIBRARIES: dict[str, Callable[[int], Any]] = {
    "KernelSHAP, paired": lambda seed: approximator.KernelSHAP(PLAYERS, pairing_trick=True, random_state=seed),
    "LeverageSHAP": lambda seed: approximator.LeverageSHAP(PLAYERS, random_state=seed),
    "permutations": lambda seed: approximator.PermutationSamplingSV(PLAYERS, random_state=seed),
    "SVARM": lambda seed: approximator.SVARM(PLAYERS, random_state=seed),
    "RegressionMSR": lambda seed: approximator.RegressionMSR(PLAYERS, "SV", random_state=seed),
    "ProxySHAP": lambda seed: approximator.ProxySHAP(
        PLAYERS, index="SV", max_order=1, adjustment=True, random_state=seed
    ),
    "OddSHAP": lambda seed: approximator.OddSHAP(PLAYERS, random_state=seed),
    "PolySHAP": lambda seed: approximator.PolySHAP(PLAYERS, random_state=seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    errors: dict[str, dict[str, dict[int, list[float]]]] = {}
    for seed in range(options.seeds):
        for name, worths in games(seed).items():
            right = exact(worths)
            for library, make in LIBRARIES.items():
                for budget in BUDGETS:
                    found = error(make(seed), worths, right, budget * PLAYERS)
                    errors.setdefault(name, {}).setdefault(library, {}).setdefault(budget, []).append(round(found, 6))
    KEPT.write_text(json.dumps({"shapiq": shapiq.__version__, "errors": errors}) + "\n", encoding="utf-8")


def error(estimator: Any, worths: Worths, right: Worths, budget: int) -> float:
    """Of the Shapley values that it finds from so many evaluations."""
    place = {mask.tobytes(): row for row, mask in enumerate(EVERY)}

    def game(masks: np.ndarray) -> np.ndarray:
        rows = [place[mask.tobytes()] for mask in np.atleast_2d(masks).astype(np.bool_)]
        return np.asarray(worths[rows] - worths[0])

    found = estimator.approximate(budget, game).dict_values
    return float(
        np.linalg.norm([found.get((player,), 0.0) for player in range(PLAYERS)] - right) / np.linalg.norm(right)
    )


def exact(worths: Worths) -> np.ndarray:
    """The Shapley values, by enumeration."""
    computer = shapiq.ExactComputer(
        n_players=PLAYERS, game=lambda masks: worths[np.atleast_2d(masks).astype(int) @ 2 ** np.arange(PLAYERS)[::-1]]
    )
    found = computer("SV").dict_values
    return np.array([found[(player,)] for player in range(PLAYERS)])


if __name__ == "__main__":
    main()
