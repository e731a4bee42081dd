"""The error of our Shapley values or interactions at equal numbers of evaluations, beside that of shapiq's newest.

Games of twelve players whose values are known (benchmarks/games.py): scores and log scores of the bundled model's
groups of layers and of its last layers, and eight made-up ones. Ours are those of a run with the sampler `shapley` on
the same game. The libraries' errors were kept by benchmarks/libraries.py. The error is |estimate - exact| / |exact|,
the mean over seeds; beside it, its ratio to the best library's, how many of our 90 % intervals hold the value, and how
wide they are in units of the error's 90 % quantile.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.games import EVERY, PLAYERS, SCORES, Worths, games
from core.attribution import exact
from core.attribution.named_values import layer_values, pair_interactions
from core.coalitions.measurements import RUINED, Floats, Measurements
from core.coalitions.worth import LOG_SCORE, SCORE
from core.records.values import PairInteraction, ValueEstimate
from core.sampling.pairs import paired

BUDGETS = (5, 10, 20, 50, 100)  # evaluations a player
LIBRARIES = Path(__file__).parent / "libraries.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--budgets", type=int, nargs="*", default=BUDGETS)
    parser.add_argument("--pairs", action="store_true", help="interactions of pairs in place of values")
    parser.add_argument("--out", type=Path, help="default: attribution.json or pairs.json beside this file")
    options = parser.parse_args()
    theirs = json.loads(LIBRARIES.read_text(encoding="utf-8"))["pairs" if options.pairs else "errors"]
    out = options.out or Path(__file__).with_name("pairs.json" if options.pairs else "attribution.json")
    answer: dict[str, dict[int, dict[str, Any]]] = {}
    for name in games(0):
        answer[name] = {}
        for budget in options.budgets:
            answer[name][budget] = row = compared(name, budget, options.seeds, theirs[name], pairs=options.pairs)
            print(name, budget, *(f"{key} {value:.3f}" for key, value in row.items() if key != "library"), flush=True)
    out.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")


def compared(
    name: str, budget: int, seeds: int, theirs: dict[str, dict[str, list[float]]], *, pairs: bool
) -> dict[str, Any]:
    """Ours on one game at one budget, beside the library whose mean error is least there."""
    off, half, right = [], [], []
    for seed in range(seeds):
        worths = games(seed)[name]
        cube = worths.reshape((2,) * PLAYERS)
        if pairs:
            every = exact.interactions(cube, np.full(PLAYERS - 1, 1 / (PLAYERS - 1)))
            known = every[np.triu_indices(PLAYERS, 1)]
        else:
            known = exact.values(cube, np.full(PLAYERS, 1 / PLAYERS))
        found, width = ours(worths, name in SCORES, budget * PLAYERS, seed, pairs=pairs)
        off.append(found - known)
        half.append(width)
        right.append(known)
    errors = np.linalg.norm(off, axis=1) / np.linalg.norm(right, axis=1)
    best = min(theirs, key=lambda library: np.mean(theirs[library][str(budget)]))
    absolute = np.abs(off)
    return {
        "error": float(errors.mean()),
        "standard_error": float(errors.std(ddof=1) / np.sqrt(seeds)),
        "library": best,
        "ratio": float(errors.mean() / np.mean(theirs[best][str(budget)])),
        "coverage": float((absolute <= half).mean()),
        "width": float(np.mean(half) / np.quantile(absolute, 0.9)),
    }


def table(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The games line by line: at each budget our error, its ratio to the best library's, and the coverage."""
    budgets = list(next(iter(found.values())))
    lines = [
        "| game | " + " | ".join(f"{budget} a player" for budget in budgets) + " |",
        "| --- |" + " --- |" * len(budgets),
    ]
    for name, rows in found.items():
        cells = [f"{row['error']:.4f}, {row['ratio']:.2f}, {row['coverage']:.2f}" for row in rows.values()]
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ours(worths: Worths, is_score: bool, budget: int, seed: int, *, pairs: bool) -> tuple[Floats, Floats]:
    """The values, or the interactions of pairs, of a run of so many evaluations, and half the width of their intervals.

    The game of the score is measured as scores are. Any other game counts as one of log scores: it is a mean loss,
    shifted and scaled, so that nothing of it is bounded below but what the game itself bounds.
    """
    masks = paired(PLAYERS, budget - 1, seed)
    place = {mask.tobytes(): row for row, mask in enumerate(EVERY)}
    asked = worths[[place[mask.tobytes()] for mask in masks]]
    unit = 1.0 if is_score else max(1.0, (worths.max() - worths.min()) / -np.log(RUINED))
    losses, whole = (-np.log(asked), -np.log(worths[-1])) if is_score else (-asked / unit, -worths[-1] / unit)
    measured, worth = Measurements(masks, losses[:, None], np.array([whole])), (SCORE if is_score else LOG_SCORE).name
    found: list[ValueEstimate] | list[PairInteraction]
    if pairs:
        found = sorted(
            pair_interactions(measured, "shapley", worth, seed).pairs, key=lambda pair: (pair.first, pair.second)
        )
    else:
        found = list(layer_values(measured, "shapley", worth, (), seed).values)
    value = np.array([item.value for item in found]) * unit
    return value, np.array([item.high - item.value for item in found]) * unit


if __name__ == "__main__":
    main()
