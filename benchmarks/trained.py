"""What each method's choice of layers costs on a trained Mamba and a trained RWKV, on text that nothing has seen.

Of the held-out text of benchmarks/training.py, the first half is chosen on, 10 x 128 bytes, and the other half judges,
40 x 128 bytes; each seed draws both anew. A run of 300 coalitions gives contributions (first seed). The choices of two
methods are shown after each compensation, too, fitted on further windows of the first half. All in float32, by
transformers' own forward. What is measured is kept in FOLDER/trained.duckdb: stopped, it goes on.

    python -m benchmarks.training FOLDER && python -m benchmarks.trained FOLDER
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from app.cli.opening import quiet
from benchmarks.exhaustive import opened
from benchmarks.selection import geometric
from benchmarks.training import FIGURES, HELD_OUT, RECIPES
from cache.database import Database
from cache.store import Store
from core.baselines.compare import Match
from core.baselines.criteria import block_influence
from core.coalitions.players import spans
from core.model.similarity import similarity
from core.records.events import Compared, Event, Finished
from core.records.spec import RunSpec
from core.run.engine import Engine

METHODS = ("quorum", "sleb", "one-shot", "shortgpt", "window", "random")
COMPENSATED = ("quorum", "sleb")
WAYS = ("scale", "refit")
MOST = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where benchmarks.training has left the models")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/trained.json"))
    options = parser.parse_args()
    quiet()
    store = Store(Database(options.folder / "trained.duckdb"))
    answer: dict[str, Any] = {"training": json.loads((options.folder / FIGURES).read_text(encoding="utf-8"))}
    answer |= {name: {"seeds": []} for name in RECIPES}
    for seed in options.seeds:
        for name in RECIPES:
            model, text = options.folder / name, options.folder / HELD_OUT
            spec = RunSpec(str(model), str(text), seed=seed, dtype="float32")
            found = compared(store, spec)
            answer[name]["seeds"].append(found | {"compensated": {way: compensated(store, spec, way) for way in WAYS}})
            print(f"\n{name}, {len(answer[name]['seeds'])} seeds\n{table(answer[name]['seeds'])}", flush=True)
            if seed == options.seeds[0]:
                answer[name]["layers"] = contributions(store, spec)
                print(answer[name]["layers"], flush=True)
            options.out.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")


def contributions(store: Store, spec: RunSpec) -> dict[str, Any]:
    """Each layer's stratified contribution and block influence, and how alike the two rank the layers."""
    finished = last(Engine(store).run(spec))
    assert isinstance(finished, Finished)
    game = opened(store, spec)
    values = [round(item.value, 4) for item in finished.result.overall]
    influence = (
        block_influence(similarity(game.loaded, game.windows.ids), spans(game.loaded.info.players)).round(4).tolist()
    )
    return {
        "surrogate": asdict(finished.result.surrogate),
        "contributions": values,
        "block influence": influence,
        "spearman": float(spearmanr(values, influence).statistic),
    }


def compared(store: Store, spec: RunSpec) -> dict[str, Any]:
    """The perplexity that each method comes to, by number of removed layers; what it removes, and its compute."""
    found = last(Engine(store).compare(spec, Match(METHODS, tuple(range(1, MOST + 1)))))
    assert isinstance(found, Compared)
    result = found.comparison
    return {
        "chosen on": str(result.calibration),
        "judged on": str(result.evaluation),
        "dense": result.dense_perplexity,
        "methods": {
            method.method: {
                "units": method.plain,
                "shared": method.shared,
                "perplexity": {plan.count: plan.perplexity for plan in method.plans},
                "removed": {plan.count: plan.removed for plan in method.plans},
            }
            for method in result.methods
        },
    }


def compensated(store: Store, spec: RunSpec, way: str) -> dict[str, dict[int, float]]:
    """The perplexity of each method's choices after a compensation, by number of removed layers."""
    found = last(Engine(store).compare(spec, Match(COMPENSATED, tuple(range(1, MOST + 1)), compensate=way)))
    assert isinstance(found, Compared)
    return {
        method.method: {plan.count: plan.perplexity for plan in method.compensated}
        for method in found.comparison.methods
    }


def last(events: Iterator[Event]) -> Event:
    *_, end = events
    return end


def table(seeds: list[dict[str, Any]]) -> str:
    """Rows of the table in docs/measured.md: perplexities are geometric means over seeds."""
    lines = [f"dense {geometric(np.array([seed['dense'] for seed in seeds])):.2f}"]
    for method in METHODS:
        rows = [seed["methods"][method] for seed in seeds]
        means = [geometric(np.array([row["perplexity"][count] for row in rows])) for count in range(1, MOST + 1)]
        units = np.mean([row["units"] for row in rows])
        lines.append(f"| {method} | {units:.2f} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
    for method, way in product(COMPENSATED, WAYS) if all("compensated" in seed for seed in seeds) else ():
        rows = [seed["compensated"][way][method] for seed in seeds]
        means = [geometric(np.array([row[count] for row in rows])) for count in range(1, MOST + 1)]
        lines.append(f"| {method}, then {way} | – | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
