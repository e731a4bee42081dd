"""What compensation does to accuracy: plans answer tasks as they are, and after each compensation.

The bundled model without some layers, each plan plain and after compensations, which are fitted as `export
--compensate` fits them; all answer the first items of each task of lm-eval from a folder (`tasks --data`) and
of the small sums, which need none. Beside every accuracy stands its standard error; what a compensation changes is told
by pairs, item by item, and over all items together. Rows of earlier calls that asked for the same stay in the file.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.cli.opening import quiet
from benchmarks.earlier_rows import earlier_rows
from benchmarks.exhaustive import opened
from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.players import mask_without
from core.compensation.compensate import compensate
from core.compensation.projections import Patches, patched
from core.evaluate.game import Game
from core.pauses import come
from core.records.behaviour.task_scores import PAPER_TASKS, SUMS
from core.records.mends import COMPENSATIONS
from core.records.spec import RunSpec
from core.run.compensating.one_removal import fitted_on
from core.tasks.answering import answers
from core.tasks.items import Item, items_of
from core.tasks.named_task import NamedTask
from core.tasks.naming import tasks_named

OUT = Path("benchmarks/accuracy.json")
PLANS = ("", "14,16,17", "13,14,15,16,17,26")
Right = NDArray[np.float64]  # of each item, whether it was answered rightly


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", help="a text to fit on")
    parser.add_argument("data", type=Path, help="a folder with a JSON lines file of each task")
    parser.add_argument("--tasks", nargs="+", default=[*PAPER_TASKS, SUMS])
    parser.add_argument("--remove", nargs="+", default=PLANS, metavar="16,17,18", help='"" is the whole model')
    parser.add_argument("--ways", nargs="+", default=["none", "refit", "logits"], choices=COMPENSATIONS)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--fit", type=int, default=96, help="windows of 128 tokens")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    quiet()
    spec = RunSpec("bundled", options.text, dtype=options.dtype, device="cpu")
    fit = opened(Store(InMemory()), spec, fitted_on(spec.text(), options.fit))
    tasks = tasks_named(options.tasks, options.data, None, options.items)
    items = [items_of(task, fit.loaded.checkpoint) for task in tasks]
    asked = {
        "tasks": options.tasks,
        "items": options.items,
        "dtype": options.dtype,
        "fitted": str(fit.windows.protocol),
    }
    rows = earlier_rows(options.out, asked)
    known = {(row["removed"], row["way"]) for row in rows}
    for removed in options.remove:
        for way in options.ways if removed else COMPENSATIONS[:1]:
            if (removed, way) not in known:
                rows.append({"removed": removed, "way": way, "right": answered(fit, removed, way, tasks, items)})
                options.out.write_text(json.dumps({**asked, "rows": rows}) + "\n")
                print(table(rows).splitlines()[-1], flush=True)
    print(table(rows))


def answered(
    fit: Game, removed: str, way: str, tasks: list[NamedTask], items: list[list[Item]]
) -> dict[str, list[int]]:
    """Which items of each task are answered rightly (acc), in their order."""
    loaded = fit.loaded
    mask = mask_without(loaded.info.players, [int(layer) for layer in removed.split(",") if layer])
    patches: Patches = {} if way == "none" else come(compensate(loaded, fit.windows, mask, way))[1]
    with patched(loaded.model, patches):
        [found] = come(answers(Store(InMemory()), loaded, items, mask[None]))
    right = {}
    for task, some in zip(tasks, items, strict=True):
        pairs = [(item, found[item.digest]) for item in some]
        told = [(item, list(zip(one.likelihoods, one.greedy, strict=True))) for item, one in pairs]
        right[task.name] = [int(task.built.process_results(item.document, one)["acc"]) for item, one in told]
    return right


def shares(row: dict[str, Any]) -> dict[str, Right]:
    return {task: np.array(right, dtype=np.float64) for task, right in row["right"].items()}


def over_all(row: dict[str, Any]) -> Right:
    """The same of all items together."""
    return np.concatenate(list(shares(row).values()))


def mean(values: Right) -> tuple[float, float]:
    """With its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def changes(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[float, float]]:
    """What each compensation of each plan changes of the accuracy over all items, with its standard error, by pairs."""
    plain = {row["removed"]: over_all(row) for row in rows if row["way"] == "none"}
    return {
        (row["removed"], row["way"]): mean(over_all(row) - plain[row["removed"]])
        for row in rows
        if row["way"] != "none" and row["removed"] in plain
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Accuracies of every state on every task, and over all items."""
    lines, changed = [], changes(rows)
    plans = list(dict.fromkeys(row["removed"] for row in rows))
    for row in sorted(rows, key=lambda row: plans.index(row["removed"])):
        each = shares(row)
        cells = [f"{value:.3f} ± {error:.3f}" for value, error in map(mean, each.values())]
        overall = f"{over_all(row).mean():.3f}"
        if (row["removed"], row["way"]) in changed:
            overall += " ({:+.3f} ± {:.3f})".format(*changed[row["removed"], row["way"]])
        state = (row["removed"].replace(",", ", "), "plain" if row["way"] == "none" else row["way"])
        lines.append(f"| {' | '.join([state[0] or 'none', state[1], *cells, overall])} |".replace("0.", "."))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
