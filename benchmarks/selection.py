"""Which layers each method removes, and what that costs on text that none of them has seen.

Every method chooses on the same model (bundled, in the dtype that a run takes by default) and calibration text (10 x
128 tokens; ours settles its finalists on further windows, and pays for them). Each plan is judged in float32 by its
perplexity on 40 windows of 128 tokens of each held-out text. Compute is counted in block-token evaluations, heads as
their equivalent in blocks, and in two ways for every method: `shared`, with each prefix that coalitions share computed
once, and `plain`, each coalition for itself; the unit is SLEB's path to 12 removed, plain. Seeds draw the calibration
windows and whatever a method draws. Evaluations are kept in results files, one for each method, so that seconds compare
where a file was new: stopped, it goes on.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from app.cli.opening import quiet
from benchmarks.exhaustive import LAYERS, REMOVALS, measured, opened
from cache.database import Database
from cache.store import Store
from core.baselines.contest import Contest, Plans
from core.baselines.table import RIVALS
from core.coalitions.masks import removed, without
from core.evaluate.cached import cached
from core.evaluate.game import Game
from core.evaluate.meter import Meter
from core.evaluate.perplexity import perplexity
from core.pauses import come
from core.records.spec import RunSpec, TextSpec
from core.selection.plan import explore, further, metered, stages
from core.selection.targets import Request

OUT = Path("benchmarks/selection.json")
COUNTS = (3, 6, 9, 12)
MOST = 15
SEQUENCES = 10
_NEARLY_ALL = 60  # removals of a count that might be the best on further sequences
Method = Callable[[Store], tuple[Plans, dict[str, float]]]

# Those of the page of figures; EvoPress goes by its own units.
MEASURED = ("random", "magnitude", "shortgpt", "window", "one-shot", "taylor", "taylor+", "sleb")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calibration", help="a text to choose on")
    parser.add_argument("held_out", nargs="+", help="texts to judge on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--units", type=float, nargs="*", default=[1 / 3, 1, 4])
    parser.add_argument("--rivals", nargs="*", default=MEASURED, choices=list(RIVALS))
    parser.add_argument(
        "--evopress", type=float, nargs="*", default=[1, 4], help="units for each count; 0: as published"
    )
    parser.add_argument(
        "--counts", type=int, nargs="+", default=COUNTS, help="removals that are judged, and that EvoPress searches for"
    )
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/selection"), help="a folder of results files")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    quiet()
    options.cache.mkdir(parents=True, exist_ok=True)
    judging = Store(Database(options.cache / "judging.duckdb"))
    judges = [judge(judging, text) for text in options.held_out]
    answer: dict[str, Any] = {"texts": [Path(text).name for text in options.held_out], "rows": []}
    for seed in options.seeds:
        spec = RunSpec(corpus=options.calibration, sequences=SEQUENCES, seed=seed)
        widest = further(spec.text(), max(options.units, default=0.0))
        game = opened(judging, spec, widest)
        for name, method in methods(options, game, seed):
            store = Store(Database(options.cache / f"{name.split(',')[0]}.duckdb"))
            begun = time.monotonic()
            plans, costs = method(store)
            seconds = time.monotonic() - begun
            row = {"seed": seed, "method": name, **costs, "seconds": seconds, "plans": plans}
            answer["rows"].append(row)
            print(seed, name, {k: round(v, 3) for k, v in costs.items()}, f"{seconds:.0f} s", flush=True)
            row["perplexity"] = {n: [held(plans[n]) for held in judges] for n in options.counts if n in plans}
            if seed == 0 and name.startswith("ours"):
                row["loss_above_optimum"] = above_optimum(plans)
                row["loss_above_nearly_all"] = above_nearly_all(plans, judging, spec, float(name.split()[1]))
                print("   calibration loss above the optimum:", row["loss_above_optimum"], row["loss_above_nearly_all"])
            for count, found in row["perplexity"].items():
                print(f"   {count:3d}  {'  '.join(f'{value:9.2f}' for value in found)}  {plans[count]}", flush=True)
            options.out.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    if "sleb" in options.rivals:
        answer["summary"] = summary(answer["rows"])
        print(json.dumps(answer["summary"], indent=1))
    print(table(answer["rows"]))
    options.out.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Ours against SLEB and against the best rival, taken anew at each removal: means are geometric, texts joined.

    EvoPress, which searches for each count by itself, is told apart from the others.
    """
    found = {(row["seed"], row["method"], count): joined(row["perplexity"], count) for row in rows for count in COUNTS}
    names = dict.fromkeys(row["method"] for row in rows)
    rivals = [name for name in names if not name.startswith(("ours", "evopress"))]
    seeds = sorted({row["seed"] for row in rows})
    answer = {}
    for name in names:
        if name in rivals:
            continue
        cells = [(seed, count) for seed in seeds for count in COUNTS if (seed, name, count) in found]
        sleb = np.array([found[seed, name, count] / found[seed, "sleb", count] for seed, count in cells])
        best = np.array(
            [
                found[seed, name, count] / min(found.get((seed, rival, count), np.inf) for rival in rivals)
                for seed, count in cells
            ]
        )
        answer[name] = {
            "against SLEB": geometric(sleb),
            "against the best rival": geometric(best),
            "worst removal against the best rival": float(best.max()),
        }
    return answer


def table(rows: list[dict[str, Any]]) -> str:
    """Rows of the table in docs/measured.md, of each method: means of compute, geometric ones of perplexities."""
    lines = []
    for name in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == name]
        compute = (f"{np.mean([row[way] for row in mine]):.3f}" for way in ("shared", "plain"))
        held = (
            " / ".join(
                f"{shown(geometric(column))}" for column in np.array([row["perplexity"][count] for row in mine]).T
            )
            for count in COUNTS
        )
        lines.append(f"| {name} | {' | '.join(compute)} | {' | '.join(held)} |")
    return "\n".join(lines)


def shown(perplexity: float) -> str:
    return f"{perplexity:.1f}" if perplexity < 1000 else f"{perplexity:,.0f}"


def kept(file: Path = OUT) -> list[dict[str, Any]]:
    """The rows that a benchmark has written, counts as numbers."""
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["rows"]
    parts = (("plans", tuple), ("perplexity", list))
    return [row | {part: {int(k): kind(v) for k, v in row[part].items()} for part, kind in parts} for row in rows]


def over_best(rows: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Each method's perplexity over the lowest that any row of a count has; means are geometric, of texts and seeds."""
    found = {(row["method"], row["seed"], count): joined(row["perplexity"], count) for row in rows for count in COUNTS}
    best = {count: min(value for (_, _, one), value in found.items() if one == count) for count in COUNTS}
    own = {
        key: [value / best[key[1]] for (name, _, count), value in found.items() if (name, count) == key]
        for key in product(dict.fromkeys(row["method"] for row in rows), COUNTS)
    }
    answer: dict[str, dict[int, float]] = {}
    for (name, count), ratios in own.items():
        answer.setdefault(name, {})[count] = geometric(np.array(ratios))
    return answer


def joined(perplexity: dict[int, list[float]], count: int) -> float:
    return geometric(np.array(perplexity[count])) if count in perplexity else np.inf


def geometric(values: np.ndarray) -> float:
    return float(np.exp(np.log(values).mean()))


def methods(options: argparse.Namespace, game: Game, seed: int) -> Iterator[tuple[str, Method]]:
    """The names of the methods that are asked for, and each as a function of a store that gives plans and costs."""
    for units in options.units:
        yield f"ours, {units:.2g}", partial(ours, game, seed, units)
    for name in options.rivals:
        yield name, partial(rival, game, seed, RIVALS[name], tuple(range(1, MOST + 1)), 1)
    for units in options.evopress:
        label = f"evopress, {units:.2g} each" if units else "evopress, as published"
        yield label, partial(rival, game, seed, RIVALS["evopress"], tuple(options.counts), units or None)


def ours(game: Game, seed: int, units: float, store: Store) -> tuple[Plans, dict[str, float]]:
    wider = further(TextSpec("", "", sequences=SEQUENCES), units).sequences or SEQUENCES
    meter = metered(store, game, stages(SEQUENCES, wider), divergences=True)
    search = come(explore(game, meter, SEQUENCES, Request(units, MOST), seed))
    return {count: removed(mask) for count, mask in search.best.items()}, costs(meter)


def rival(
    game: Game,
    seed: int,
    method: Callable[[Contest], Plans],
    counts: tuple[int, ...],
    units: float | None,
    store: Store,
) -> tuple[Plans, dict[str, float]]:
    meter = metered(store, game, (2, 5, SEQUENCES), divergences=method is RIVALS["evopress"])
    contest = Contest(game.loaded, game.windows.ids[:SEQUENCES], meter, counts, seed=seed, units=units)
    return method(contest), costs(meter)


def above_optimum(plans: Plans) -> dict[int, float]:
    """How far the loss of plans of one to three layers, on a run's own sequences, is above the best of all."""
    return {count: float(losses[rows.index(plans[count])] / np.nanmin(losses) - 1) for count, rows, losses in known()}


def above_nearly_all(plans: Plans, store: Store, spec: RunSpec, units: float) -> dict[int, float]:
    """The same on all the sequences that a search of that budget decides on, against the best on the run's own."""
    game, answer = opened(store, spec, further(spec.text(), units)), {}
    for count, rows, losses in known():
        others = [rows[row] for row in np.argsort(losses)[:_NEARLY_ALL]]
        masks = np.array([without(LAYERS, gone) for gone in (plans[count], *others)])
        found = measured(game, masks).mean(axis=1)
        answer[count] = float(found[0] / found.min() - 1)
    return answer


def known() -> Iterator[tuple[int, list[tuple[int, ...]], np.ndarray]]:
    """For one to three removed: every removal, and its loss on a run's own sequences, measured once."""
    data = np.load(REMOVALS)
    parts = {1: data["to_two"][1 : LAYERS + 1], 2: data["to_two"][LAYERS + 1 :], 3: data["three"]}
    return ((count, list(combinations(range(LAYERS), count)), part.mean(axis=1)) for count, part in parts.items())


def costs(meter: Meter) -> dict[str, float]:
    unit = meter.unit(SEQUENCES)
    return {"shared": float(meter.spent / unit), "plain": float(meter.plain / unit), "tokens": meter.tokens}


def judge(store: Store, text: str) -> Callable[[tuple[int, ...]], float]:
    """Gives the perplexity on 40 windows of a whole text without some layers."""
    spec = RunSpec(corpus=text, sequences=40, dtype="float32")
    game = opened(store, spec, spec.text("whole"))
    evaluator = cached(store, game.windows.protocol, game.loaded, game.windows.ids, game.packed, states=0)

    def held(gone: tuple[int, ...]) -> float:
        mask = without(len(game.loaded.info.players), gone)
        return perplexity(next(evaluator.losses(mask[None]))[1])

    print(f"dense on {game.windows.protocol}: {held(()):.2f}", flush=True)
    return held


if __name__ == "__main__":
    main()
