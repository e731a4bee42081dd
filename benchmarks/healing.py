"""What training after a cut gives, on text that nothing has seen: the same removal plain and refitted, healed and not.

The bundled model without some layers is compensated on the first windows of one text and trained on others of it, by
the product's own code and defaults; every state is judged by its perplexity on 40 windows of 128 tokens, the first
ones, of each held-out text, in the dtype in which it was trained. Rows of earlier calls that asked for the same stay
in the file.
"""

import argparse
import json
import time
from collections.abc import Generator
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from app.cli.opening import quiet
from benchmarks.earlier_rows import earlier_rows
from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.players import mask_without
from core.compensation.compensate import compensate
from core.compensation.projections import Patches, patched
from core.evaluate.game import Game, Games
from core.evaluate.perplexity import perplexity
from core.evaluate.reference import sequence_losses
from core.healing.adapters import Mask, check_healing
from core.healing.checkpoints import checkpoint_of
from core.healing.examples import of_windows
from core.healing.training import train
from core.records.mends import COMPENSATIONS, FITTING, HEALS, Heal
from core.records.spec import RunSpec, TextSpec
from core.run.compensating.one_removal import fitted_on

OUT = Path("benchmarks/healing.json")
JUDGED = 40  # windows of each held-out text
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", help="a text to fit and to train on")
    parser.add_argument("held_out", nargs="+", help="texts to judge on")
    parser.add_argument("--remove", type=int, nargs="+", default=[12, 13, 14, 16, 17, 26])
    parser.add_argument("--compensate", nargs="+", default=["none", "refit"], choices=COMPENSATIONS)
    parser.add_argument("--steps", type=int, default=HEALS["short"].steps)
    parser.add_argument("--rate", type=float, default=HEALS["short"].rate)
    parser.add_argument("--distil", type=float, nargs="+", default=[0.0], help="shares of the loss, as of `heal`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    quiet()
    spec = RunSpec(dtype=options.dtype, device=options.device)
    games = Games(Store(InMemory()))
    judges = {Path(text).stem: _opened(games, spec, TextSpec(text, "whole", 128, JUDGED)) for text in options.held_out}
    text = TextSpec(options.text, "whole", 128)
    # As `heal --corpus FILE --compensate refit`: one order of windows, of which the fit takes the first ones.
    fit = replace(fitted_on(text, None), split="whole")
    fitted = _opened(games, spec, fit)
    everything = _opened(games, spec, replace(fit, sequences=None))
    loaded, mask = fitted.loaded, mask_without(fitted.loaded.info.players, options.remove)
    check_healing(loaded, mask)
    protocols = {name: asdict(one.windows.protocol) for name, one in judges.items()}
    asked = {
        "heal": asdict(HEALS["short"]),
        "model": asdict(loaded.info),
        "text": asdict(everything.windows.protocol),
        "held_out": protocols,
        "fitting": FITTING,
    }
    rows = earlier_rows(options.out, asked)

    def judged(what: dict[str, Any], keep: Mask, patches: Patches, began: float) -> None:
        with patched(loaded.model, patches):
            found = {name: perplexity(sequence_losses(loaded, one.windows.ids, keep)) for name, one in judges.items()}
        row = {**what, "perplexity": found, "seconds": time.monotonic() - began}
        rows[:] = [*(other for other in rows if _asked(other) != _asked(row)), row]
        print(json.dumps(row), flush=True)
        options.out.write_text(json.dumps({**asked, "rows": rows}, indent=2) + "\n", encoding="utf-8")

    judged({"compensate": "none", "steps": 0, "removed": []}, mask | True, {}, time.monotonic())
    for how in options.compensate:
        began = time.monotonic()
        patches: Patches = {}
        if how != "none":
            _, patches = _returned(compensate(loaded, fitted.windows, mask, how))
        judged({"compensate": how, "steps": 0, "removed": options.remove}, mask, patches, began)
        for seed, distil in product(options.seeds, options.distil):
            heal = replace(HEALS["short"], steps=options.steps, rate=options.rate, seed=seed, distil=distil)
            material = of_windows(everything.windows, heal, len(fitted.windows.ids))
            file = checkpoint_of("benchmark", options.remove, how, heal, material.tokens, loaded.info)
            began = time.monotonic()
            done, merged = _returned(train(loaded, mask, patches, material, heal, file, finish=False))
            file.unlink()
            what = {"compensate": how, "steps": done.steps, "kept": done.kept.step, **_trained(heal)}
            readings = [asdict(reading) for reading in done.readings]
            judged({**what, "removed": options.remove, "readings": readings}, mask, merged, began)
    print(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Perplexities of every state, the whole model's first, and of what was held out before and after training."""
    lines = []
    for row in rows:
        texts = [f"{row['perplexity'][name]:.1f}" for name in row["perplexity"]]
        steps, held = "0", "–"
        if row["steps"]:
            first, best = row["readings"][0]["perplexity"], min(one["perplexity"] for one in row["readings"])
            told = f", {row['distil']:g} distilled" if row.get("distil") else ""
            steps, held = f"{row['steps']} at {row['rate']:g}{told}", f"{first:.1f} to {best:.1f}"
        state = ("plain" if row["compensate"] == "none" else row["compensate"]) if row["removed"] else "whole model"
        lines.append(f"| {' | '.join([state, steps, held, *texts])} |")
    return "\n".join(lines)


def _asked(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("compensate", "removed", "steps", "rate", "seed", "distil"))


def _trained(heal: Heal) -> dict[str, float]:
    return {"seed": heal.seed, "rate": heal.rate, "distil": heal.distil}


def _opened(games: Games, spec: RunSpec, text: TextSpec) -> Game:
    return _returned(games.open(spec, text, lambda _: None))


def _returned(work: Generator[Any, None, T]) -> T:
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            found: T = end.value
            return found
        if hasattr(event, "text"):
            print(event.text, flush=True)


if __name__ == "__main__":
    main()
