"""What compensation gives back, and what it gives to a search that counts on it, on text that nothing has seen.

Ours runs as the product does: coalitions, a search of a third of a unit, finalists of each count compensated and judged
(`select --compensate refit`). Rivals choose on the same 10 x 128 tokens. Then each plan is compensated by `scale`
(Prune&Comp's) and by `refit` on the same windows of the calibration half, those of a rival that has a compensation of
its own by that alone. Every state is judged by its perplexity on 40 windows of 128 tokens of each held-out text, in one
dtype. Seeds draw the windows that are chosen on.
Evaluations are kept in a results file for each seed: stopped, it goes on.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from app.cli.opening import quiet
from benchmarks.earlier_rows import earlier_rows
from benchmarks.exhaustive import opened
from cache import queries
from cache.database import Database
from cache.store import Store
from core.baselines.compensated.repair import Repair, repaired
from core.baselines.contest import Contest
from core.baselines.table import REPAIRS, RIVALS
from core.coalitions.masks import without
from core.compensation.compensate import compensate
from core.evaluate.game import Game
from core.evaluate.perplexity import perplexity
from core.evaluate.reference import sequence_losses
from core.pauses import come
from core.records.mends import Compensate
from core.records.spec import RunSpec, TextSpec
from core.run.compensating.compensated_choice import choosing_compensated
from core.run.compensating.one_removal import fitted_on
from core.run.engine import Engine
from core.selection.plan import metered
from core.selection.targets import Target

OUT = Path("benchmarks/compensation.json")
COUNTS = (3, 6, 9, 12)
JUDGED = 40  # windows of each held-out text
WAYS = ("none", "scale", "refit")
OWN = "own"  # a rival's compensation, for its plans alone
Removal = tuple[int, ...]
Plans = dict[int, Removal]
Own = Callable[[Removal], Repair] | None
Method = Callable[[Database, RunSpec, Game, Game], tuple[Plans, Own]]  # chooses on one text, and fits on another


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calibration", help="a text to choose and to fit on")
    parser.add_argument("held_out", nargs="+", help="texts to judge on")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--rivals", nargs="*", default=["sleb", "shortgpt", "one-shot"])
    parser.add_argument("--fit", type=int, default=96, help="windows of the fits")
    parser.add_argument("--masks", type=int, default=100, help="coalitions of a run")
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/selection"), help="a folder of results files")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    quiet()
    options.cache.mkdir(parents=True, exist_ok=True)
    texts = [Path(text).stem for text in options.held_out]
    asked = {"texts": texts, "calibration": Path(options.calibration).stem, "fit": options.fit, "dtype": options.dtype}
    asked |= {"model": options.model, "masks": options.masks}
    answer = {**asked, "rows": earlier_rows(options.out, asked)}
    done = {(row["seed"], row["method"], row["count"]) for row in answer["rows"]}
    for (name, method), seed in product(methods(options), options.seeds):
        missing = [count for count in options.counts if (seed, name, count) not in done]
        if not missing:
            continue
        spec = RunSpec(options.model, options.calibration, dtype=options.dtype, seed=seed, masks=options.masks)
        database = Database(options.cache / f"compensation-{seed}.duckdb")
        store = Store(database)
        base = opened(store, spec)
        fit = opened(store, spec, fitted_on(spec.text(), options.fit))
        judges = [opened(store, spec, TextSpec(text, "whole", 128, JUDGED)) for text in options.held_out]
        answer |= {"dense": judged(base, (), judges, Repair()), "fitted": str(fit.windows.protocol)}
        begun = time.monotonic()
        plans, own = method(database, spec, base, fit)
        seconds = time.monotonic() - begun
        for count in missing:
            removed = plans[count]
            row = {"seed": seed, "method": name, "count": count, "removed": removed, "seconds": seconds}
            alike = [other for other in answer["rows"] if tuple(other["removed"]) == removed]
            for way in WAYS if own is None else WAYS[:1]:  # fits and judges are the same for every seed
                known = [other[way] for other in alike if way in other]
                row[way] = known[0] if known else judged(base, removed, judges, repair_of(fit, removed, way))
            if own is not None:
                row[OWN] = judged(base, removed, judges, own(removed))
            answer["rows"].append(row)
            shown = "  ".join(f"{way} {figures(row[way])}" for way in (*WAYS, OWN) if way in row)
            print(f"{seed} {name:16s} {count:3d}  {shown}  {removed}", flush=True)
            options.out.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    print(table(answer["rows"]))


def methods(options: argparse.Namespace) -> list[tuple[str, Method]]:
    """The names of the methods, and each as a function that gives a plan for each count."""
    counts = tuple(options.counts)
    refit = Compensate("refit", options.fit)
    rivals = [(name, partial(rival, name, counts)) for name in options.rivals]
    return [("ours", partial(ours, None, counts)), *rivals, ("ours, for refit", partial(ours, refit, counts))]


def ours(
    how: Compensate | None, counts: tuple[int, ...], database: Database, spec: RunSpec, base: Game, fit: Game
) -> tuple[Plans, Own]:
    """The plans of a search, or those that are best after compensation."""
    store = Store(database)
    engine = Engine(store)
    come(engine.run(spec, search=True))
    run = queries.find_run(database, "latest")
    found = store.selection(run.run, ())
    assert found is not None
    if how is None:
        return {plan.count: plan.removed for plan in found.plans if plan.count in counts}, None
    plans: Plans = {}
    for count in counts:
        asked = partial(choosing_compensated, run=run.run, game=run.game, spec=run.resolved, found=found)
        work = engine.lend(partial(asked, how=how, target=Target(count=count)))
        _, [plan] = come(work)
        plans[count] = plan.removed
    return plans, None


def rival(
    name: str, counts: tuple[int, ...], database: Database, spec: RunSpec, base: Game, fit: Game
) -> tuple[Plans, Own]:
    meter = metered(Store(database), base, (2, 5, len(base.windows.ids)), divergences=name == "evopress")
    asked = tuple(range(1, max(counts) + 1))
    contest = Contest(base.loaded, base.windows.ids, meter, asked, seed=spec.seed, fit=fit.windows.ids)
    return RIVALS[name](contest), partial(REPAIRS[name], contest) if name in REPAIRS else None


def repair_of(fit: Game, removed: Removal, how: str) -> Repair:
    if how == "none":
        return Repair()
    return Repair(come(compensate(fit.loaded, fit.windows, without(len(fit.loaded.info.players), removed), how))[1])


def judged(base: Game, removed: Removal, judges: list[Game], repair: Repair) -> list[float]:
    """The perplexities on each held-out text."""
    mask = without(len(base.loaded.info.players), removed)
    with repaired(base.loaded, repair):
        return [perplexity(sequence_losses(base.loaded, one.windows.ids, mask)) for one in judges]


def figures(values: Iterable[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def table(rows: list[dict[str, Any]]) -> str:
    """The perplexities on each text, geometric means over seeds, of every method in every way."""
    lines = []
    for name in dict.fromkeys(row["method"] for row in rows):
        for way in (*WAYS, OWN):
            cells = []
            for count in dict.fromkeys(row["count"] for row in rows):
                of_it = [row for row in rows if (row["method"], row["count"]) == (name, count) and way in row]
                if of_it:
                    cells.append(figures(np.exp(np.log([row[way] for row in of_it]).mean(axis=0))))
            if not cells:
                continue
            lines.append(f"| {name} | {'plain' if way == 'none' else way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio(rows: list[dict[str, Any]], ours: tuple[str, str], theirs: tuple[str, str], texts: list[int]) -> float:
    """The geometric mean, over seeds, counts and texts, of one method and way over another."""
    found = {(row["seed"], row["method"], row["count"]): row for row in rows}
    logs = [
        np.log(row[ours[1]][text] / found[seed, theirs[0], count][theirs[1]][text])
        for (seed, name, count), row in found.items()
        if name == ours[0]
        for text in texts
    ]
    return float(np.exp(np.mean(logs)))


if __name__ == "__main__":
    main()
