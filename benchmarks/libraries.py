"""The errors of shapiq's newest approximators on the games of `benchmarks.games`, kept in benchmarks/libraries.json.

shapiq from 1.5 on needs Python 3.12, and this product runs on 3.11, so that this script has an environment of its own:

    python3.12 -m venv ENV && ENV/bin/pip install shapiq==1.8.0 xgboost lightgbm
    ENV/bin/python -m benchmarks.libraries

It needs numpy and shapiq alone. Errors are |estimate - exact| / |exact|, one for each seed: of the Shapley values, and
of the Shapley interactions (SII) of all pairs.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
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
_OF_PAIRS: dict[str, Any] = {"n": PLAYERS, "max_order": 2, "index": "SII"}
PAIRS: dict[str, Callable[[int], Any]] = {
    "KernelSHAP-IQ, paired": lambda seed: approximator.KernelSHAPIQ(**_OF_PAIRS, pairing_trick=True, random_state=seed),
    "KernelSHAP-IQ, inconsistent, paired": lambda seed: approximator.InconsistentKernelSHAPIQ(
        **_OF_PAIRS, pairing_trick=True, random_state=seed
    ),
    "permutations": lambda seed: approximator.PermutationSamplingSII(**_OF_PAIRS, top_order=True, random_state=seed),
    "SHAP-IQ, paired": lambda seed: approximator.SHAPIQ(
        **_OF_PAIRS, top_order=True, pairing_trick=True, random_state=seed
    ),
    "SVARM-IQ": lambda seed: approximator.SVARMIQ(**_OF_PAIRS, top_order=True, random_state=seed),
    "ProxySHAP": lambda seed: approximator.ProxySHAP(**_OF_PAIRS, adjustment=True, random_state=seed),
    "ProxySHAP, not adjusted": lambda seed: approximator.ProxySHAP(**_OF_PAIRS, random_state=seed),
}
Players = tuple[int, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found: dict[str, Any] = {"shapiq": shapiq.__version__}
    for what, libraries, index, order in (("errors", LIBRARIES, "SV", 1), ("pairs", PAIRS, "SII", 2)):
        wanted = list(combinations(range(PLAYERS), order))
        errors: dict[str, dict[str, dict[int, list[float]]]] = {}
        for seed in range(options.seeds):
            for name, worths in games(seed).items():
                right = exact(worths, index, wanted)
                for library, make in libraries.items():
                    for budget in BUDGETS:
                        off = error(make(seed), worths, wanted, right, budget * PLAYERS)
                        errors.setdefault(name, {}).setdefault(library, {}).setdefault(budget, []).append(round(off, 6))
        found[what] = errors
    KEPT.write_text(json.dumps(found) + "\n", encoding="utf-8")


def error(estimator: Any, worths: Worths, wanted: Sequence[Players], right: Worths, budget: int) -> float:
    """Of what it finds from so many evaluations: of the values, or interactions, of these players."""
    place = {mask.tobytes(): row for row, mask in enumerate(EVERY)}

    def game(masks: np.ndarray) -> np.ndarray:
        rows = [place[mask.tobytes()] for mask in np.atleast_2d(masks).astype(np.bool_)]
        return np.asarray(worths[rows] - worths[0])

    found = estimator.approximate(budget, game).dict_values
    return float(np.linalg.norm([found.get(players, 0.0) for players in wanted] - right) / np.linalg.norm(right))


def exact(worths: Worths, index: str, wanted: Sequence[Players]) -> np.ndarray:
    """The Shapley values (SV) or interactions (SII) of these players, by enumeration."""
    computer = shapiq.ExactComputer(
        n_players=PLAYERS, game=lambda masks: worths[np.atleast_2d(masks).astype(int) @ 2 ** np.arange(PLAYERS)[::-1]]
    )
    found = computer(index, order=max(map(len, wanted))).dict_values
    return np.array([found[players] for players in wanted])


if __name__ == "__main__":
    main()
