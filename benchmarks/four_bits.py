"""Four bits before a cut and after it: what each library's weights take on disk, and what they cost on other text.

The bundled model, whole and without some layers, each as it is and written in four bits by each library
(`core.quantise`); and the quantised model cut file to file. Every folder is loaded anew and judged, in one dtype, by
its perplexity on the first 40 windows of 128 tokens of each held-out text, by the accuracy of its answers to tasks of
lm-eval, and by how fast it writes beside the whole model as it is, in turn. Seconds are those of writing the folder
alone, measured beside whatever else ran: nothing rests on them. Rows of libraries that earlier calls of the same have
measured stay in the file.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.cli.opening import quiet
from benchmarks.accuracy import answered, mean, shares
from benchmarks.earlier_rows import earlier_rows
from benchmarks.exhaustive import games_of
from core.checkpoint.checkpoint import locate
from core.checkpoint.headers import weight_files
from core.evaluate.game import Game
from core.evaluate.perplexity import perplexity
from core.evaluate.reference import sequence_losses
from core.export.export import export
from core.export.recipes.recipe import Recipe
from core.model.model import LoadedModel
from core.pauses import come
from core.quantise.libraries import LIBRARIES
from core.quantise.quantising import quantising
from core.records.behaviour.speeds import SpeedProtocol
from core.records.behaviour.task_scores import SUMS
from core.records.spec import RunSpec, TextSpec
from core.run.compensating.one_removal import fitted_on
from core.speed.shared_copy import shared_copy
from core.speed.timing import in_turn
from core.tasks.items import items_of
from core.tasks.naming import tasks_named

OUT = Path("benchmarks/four_bits.json")
Mask = NDArray[np.bool_]
JUDGED = 40  # windows of each held-out text
TASKS = ("lambada_openai", "arc_easy", "piqa")
WRITING = SpeedProtocol(tokens=32, runs=12, warm_up=2)
WHOLE, CUT, QUANTISED, FIRST_CUT, FIRST_BITS = STATES = (
    "whole",
    "cut",
    "quantised",
    "cut, then quantised",
    "quantised, then cut",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", help="a text for what fits to one")
    parser.add_argument("held_out", nargs="+", help="texts to judge on")
    parser.add_argument("--data", type=Path, required=True, help="a folder with a JSON lines file of each task")
    parser.add_argument("--tasks", nargs="+", default=[*TASKS, SUMS])
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--remove", type=int, nargs="+", default=[13, 14, 15, 16, 17, 18])
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=LIBRARIES)
    parser.add_argument("--group-size", type=int, default=64)
    parser.add_argument("--fit", type=int, default=32, help="windows of 128 tokens")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    quiet()
    texts = [TextSpec(text, "whole", 128, JUDGED) for text in options.held_out]
    spec = RunSpec(options.model, options.text, dtype=options.dtype, device="cpu")
    *own, fit = games_of(spec, [*texts, fitted_on(spec.text(), options.fit)])
    protocols, whole = [str(game.windows.protocol) for game in own], fit.loaded
    tasks = tasks_named(options.tasks, options.data, None, options.items)
    items = [items_of(task, whole.checkpoint) for task in tasks]
    asked = {"removed": options.remove, "group": options.group_size, "fit": options.fit, "dtype": options.dtype}
    asked |= {"model": whole.info.fingerprint, "text": str(fit.windows.protocol), "held_out": protocols}
    asked |= {"tasks": options.tasks, "items": options.items, "writing": str(WRITING)}
    rows = earlier_rows(options.out, asked)

    def judge(state: str, library: str, folder: Path | None, work: Callable[[], object] | None = None) -> None:
        begun = time.monotonic()
        if work is not None:
            work()
        seconds = time.monotonic() - begun
        source = options.model if folder is None else str(folder)
        games = games_of(replace(spec, model=source), texts)
        row: dict[str, Any] = {"state": state, "library": library, "seconds": seconds}
        row["perplexity"] = [perplexity(sequence_losses(one.loaded, one.windows.ids, everyone(one))) for one in games]
        row["bytes"] = sum(file.stat().st_size for file in weight_files(locate(source).folder).files)
        row["speedup"] = None if folder is None else speedup(whole, games[0].loaded)
        row["right"] = answered(games[0], "", "none", tasks, items)
        rows[:] = [*(other for other in rows if (other["state"], other["library"]) != (state, library)), row]
        print(table([row]), flush=True)
        options.out.write_text(json.dumps({**asked, "rows": rows}) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory() as held:
        cut = Path(held) / "cut"
        judge(WHOLE, "", None)
        judge(CUT, "", cut, partial(smaller, spec, options.remove, cut))
        for library in options.libraries:
            folders = [Path(held) / name for name in ("bits", "cut-bits", "bits-cut")]
            bits, after, before = folders
            four = partial(four_bits, spec, library, options.group_size, options.fit)
            judge(QUANTISED, library, bits, partial(four, options.model, bits))
            judge(FIRST_CUT, library, after, partial(four, str(cut), after))
            packed = RunSpec(str(bits), options.text, dtype=options.dtype, device="cpu")
            judge(FIRST_BITS, library, before, partial(smaller, packed, options.remove, before))
            for folder in folders:
                shutil.rmtree(folder)
    print(table(rows))


def four_bits(spec: RunSpec, library: str, group: int, fit: int, model: str, out: Path) -> None:
    asked = RunSpec(model, spec.corpus, dtype=spec.dtype, device="cpu")
    come(quantising(asked, library, group, out, fit))


def smaller(spec: RunSpec, removed: list[int], out: Path) -> None:
    """Cut file to file, loaded again and found equal to the masked model, as any export is."""
    [game] = games_of(spec, [spec.text("evaluation")])
    info = game.loaded.info
    export(game.loaded, game.windows, Recipe(spec, info.fingerprint, info.layers, tuple(map(str, removed)), ""), out)


def speedup(whole: LoadedModel, smaller: LoadedModel) -> tuple[float, float]:
    """How many times as fast as the whole model as it is another one writes, and the standard error."""
    one, other = (shared_copy(loaded, np.ones(len(loaded.info.players), dtype=np.bool_)) for loaded in (whole, smaller))
    found = come(in_turn((one, other), WRITING)).speedups[0].latency
    return found.value, found.error


def everyone(game: Game) -> Mask:
    return np.ones(len(game.loaded.info.players), dtype=np.bool_)


def table(rows: list[dict[str, Any]]) -> str:
    """Size, perplexities, accuracy on each task and speed of every state, by each library."""
    found = {(row["state"], row["library"]): row for row in rows}
    lines = []
    for library in dict.fromkeys(row["library"] for row in rows):
        for state in STATES:
            if row := found.get((state, library)):
                values = " / ".join(f"{value:.1f}" for value in row["perplexity"])
                right = (mean(one) for one in shares(row).values())
                cells = [f"{value:.3f} ± {error:.3f}".replace("0.", ".") for value, error in right]
                speed = "{:.2f} ± {:.2f}".format(*row["speedup"]) if row["speedup"] else "1"
                cells = [library or "–", state, f"{row['bytes'] / 2**20:.1f}", values, *cells, speed]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
