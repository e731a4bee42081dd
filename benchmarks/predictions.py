"""How many predictive intervals hold: of sets drawn at random, and of sets chosen for their prediction.

On the bundled model's games of twelve players, all of whose coalitions are measured (benchmarks/exhaustive.py). A run
with the paper's sampler predicts every coalition that it has not measured, of each size between its smallest and its
largest. Drawn ones count as they come; chosen is the one of each size with the best prediction, as a person takes it.
A fall short is how much worse a chosen set is than predicted, in nats a token.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.games import EVERY, PLAYERS, log_score
from core.attribution.prediction import Predictor
from core.coalitions.measurements import Floats, Measurements
from core.records.spec import RunSpec
from core.sampling.samplers import begin
from core.surrogate.conformal import bands
from core.surrogate.surrogate import fit
from core.surrogate.validation import residuals

GAMES = ("grouped", "last")
BUDGETS = (10, 20)  # evaluations a player
_DRAWN = 20  # of each size and seed
_PLACES = 2 ** np.arange(PLAYERS)[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    found = {game: {budget: covered(log_score(game), budget, options.seeds) for budget in BUDGETS} for game in GAMES}
    print(table(found))
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def covered(worths: Floats, budget: int, seeds: int) -> dict[int, dict[str, Any]]:
    """By size: the share of intervals that hold, of drawn and of chosen sets, and by how much the latter fall short."""
    rows: dict[int, list[tuple[Floats, bool, float]]] = {}
    for seed in range(seeds):
        spec = RunSpec(masks=budget * PLAYERS, seed=seed)
        masks = begin(spec, PLAYERS)[1][1:]
        measured = Measurements(masks, -worths[masks @ _PLACES][:, None], -worths[-1:])
        predictor = Predictor(fit(measured), bands(masks, residuals(measured, seed), seed))
        seen, sizes = np.isin(np.arange(len(EVERY)), masks @ _PLACES), EVERY.sum(axis=1)
        rng, drawn = np.random.default_rng(seed), np.unique(masks.sum(axis=1))
        for size in range(int(drawn[drawn > 0].min()), PLAYERS):
            others = np.flatnonzero(~seen & (sizes == size))
            if not len(others):
                continue
            best = others[np.argmax(predictor.surrogate.process.predict(EVERY[others]))]
            some = rng.permutation(others)[:_DRAWN]
            inside = [held(predictor, row, worths)[0] for row in some]
            rows.setdefault(size, []).append((np.array(inside), *held(predictor, int(best), worths)))
    return {
        size: {
            "drawn": float(np.concatenate([inside for inside, *_ in of_size]).mean()),
            "chosen": float(np.mean([inside for _, inside, _ in of_size])),
            "short": float(np.mean([short for *_, short in of_size])),
        }
        for size, of_size in sorted(rows.items(), reverse=True)
    }


def held(predictor: Predictor, row: int, worths: Floats) -> tuple[bool, float]:
    """Whether the interval of a coalition holds its loss, and how much higher that is than predicted, nats a token."""
    expected = predictor.predict(np.flatnonzero(~EVERY[row]).tolist())
    loss = -worths[row]
    return bool(np.log(expected.low) <= loss <= np.log(expected.high)), float(loss - np.log(expected.perplexity))


def table(found: dict[str, dict[int, dict[int, dict[str, Any]]]]) -> str:
    """Size by size: coverage of drawn sets, of chosen ones, and what these fall short by."""
    columns = [(game, budget) for game, by_budget in found.items() for budget in by_budget]
    sizes = sorted({size for by_budget in found.values() for rows in by_budget.values() for size in rows}, reverse=True)
    lines = [
        "| kept of 12 | " + " | ".join(f"{game}, {budget} a player" for game, budget in columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for size in sizes:
        cells = []
        for game, budget in columns:
            row = found[game][budget].get(size)
            cells.append(f"{row['drawn']:.2f}, {row['chosen']:.2f}, {row['short']:+.3f}" if row else "all measured")
        lines.append(f"| {size} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
