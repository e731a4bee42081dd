"""Every answer of ours beside lm-eval's own: HFLM on the exported folder, the same items, the same dtype.

The bundled model whole and without some layers: ours answers on the masked model in memory, theirs on what `export`
wrote, loaded by plain transformers. A row a removal and task: how many choices and greedy answers differ (none should
in float32), the greatest relative difference of two log-likelihoods, and what both say of the task. Answers of ours
stay in the cache, and rows in the file: called again, nothing is measured again.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lm_eval.models.huggingface
import numpy as np
from lm_eval.evaluator import evaluate

from app.cli.opening import quiet
from benchmarks.earlier_rows import earlier_rows
from benchmarks.four_bits import smaller
from cache.database import Database
from cache.store import Store
from core.checkpoint.checkpoint import locate
from core.coalitions.masks import encode
from core.coalitions.players import mask_without
from core.evaluate.game import Games
from core.pauses import come
from core.records.behaviour.task_scores import PAPER_TASKS, Answer
from core.records.spec import RunSpec
from core.tasks.answering import Questions, answered
from core.tasks.items import Item, items_of
from core.tasks.named_task import NamedTask
from core.tasks.naming import tasks_named

OUT = Path("benchmarks/harness.json")
PLANS = ("", "5,14,25", "5,13,14,16,17,25")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with a JSON lines file of each task")
    parser.add_argument("--tasks", nargs="+", default=list(PAPER_TASKS))
    parser.add_argument("--remove", nargs="+", default=PLANS, metavar="5,14,25", help='"" is the whole model')
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4, help="of HFLM")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--cache", type=Path, default=Path("cache/data/harness.duckdb"))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    quiet()
    asked = {"items": options.items, "batch": options.batch, "dtype": options.dtype, "lm_eval": lm_eval.__version__}
    rows = earlier_rows(options.out, asked)
    store = Store(Database(options.cache))
    games, spec = Games(store), RunSpec("bundled", dtype=options.dtype, device="cpu")
    removals = [[int(layer) for layer in removed.split(",") if layer] for removed in options.remove]
    for name in options.tasks:
        known = [row["removed"] for row in rows if row["task"] == name]
        left = [removed for removed in removals if removed not in known]
        if not left:
            continue
        task = tasks_named([name], options.data, None, options.items)[0]
        items = items_of(task, locate(spec.model))
        info, scores = come(answered(store, games, spec, Questions((name,), options.data, options.items), removals))
        for removed, score in zip(removals, scores, strict=True):
            if removed not in left:
                continue
            mask = encode(mask_without(info.players, removed))
            ours = store.answers(info, mask, [item.digest for item in items])
            theirs = hflm(spec, removed, task, len(items), options.batch)
            results = theirs["results"][name]
            said = {metric.name: [metric.value, results[f"{metric.name},none"]] for metric in score.tasks[0].metrics}
            row = {"task": name, "removed": removed, **apart(items, ours, theirs["samples"][name]), "metrics": said}
            rows.append(row)
            print(json.dumps(row), flush=True)
            options.out.write_text(json.dumps({**asked, "rows": rows}, indent=1) + "\n")
    print(table(rows))


def hflm(spec: RunSpec, removed: list[int], task: NamedTask, items: int, batch: int) -> dict[str, Any]:
    """What lm-eval itself says of a task's first items, and of each of them."""
    with tempfile.TemporaryDirectory() as held:
        folder = locate(spec.model).folder
        if removed:
            folder = Path(held) / "smaller"
            smaller(spec, removed, folder)
        model = lm_eval.models.huggingface.HFLM(str(folder), batch_size=batch, device="cpu", dtype=spec.dtype)
        return dict(evaluate(model, {task.name: task.built}, limit=items, bootstrap_iters=2))


def apart(items: Sequence[Item], ours: dict[str, Answer], theirs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """How answers of the same items differ."""
    choices = greedy = 0
    greatest = 0.0
    for item, sample in zip(items, theirs, strict=True):
        found, responses = ours[item.digest], [response for [response] in sample["resps"]]
        likelihoods = np.array([value for value, _ in responses])
        choices += int(np.argmax(found.likelihoods)) != int(np.argmax(likelihoods))
        greedy += sum(one != bool(other) for one, (_, other) in zip(found.greedy, responses, strict=True))
        greatest = max(greatest, float(np.max(np.abs(np.array(found.likelihoods) / likelihoods - 1))))
    return {"items": len(items), "choices apart": choices, "greedy apart": greedy, "greatest relative": greatest}


def table(rows: list[dict[str, Any]]) -> str:
    """Every metric of every task, by removal: ours, which is theirs where no choice is apart."""
    found = {(row["task"], tuple(row["removed"])): row["metrics"] for row in rows}
    removals = list(dict.fromkeys(removed for _, removed in found))
    lines = []
    for task in dict.fromkeys(task for task, _ in found):
        for metric in found[task, removals[0]]:
            values = [found[task, removed][metric][0] for removed in removals]
            cells = (f"{value:.0f}" if metric == "perplexity" else f"{value:.3f}".lstrip("0") for value in values)
            lines.append(f"| {task} | {metric} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
