"""What `logits` adds to a refit: plans of `benchmarks.compensation`, fitted and judged on the same texts once more.

Their rows get the perplexities after it, and what the fit takes in evaluations: plain forwards of the same removal on
the windows of the fit, in processor seconds. Stopped, it goes on.

    python -m benchmarks.towards_logits TEXT HELD_OUT… --of benchmarks/own_compensations.json
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from app.cli.opening import quiet
from benchmarks.compensation import JUDGED, figures, judged
from benchmarks.compensation_time import taken
from benchmarks.exhaustive import games_of
from core.baselines.compensated.repair import Repair
from core.coalitions.masks import without
from core.compensation.compensate import compensate
from core.evaluate.reference import sequence_losses
from core.pauses import come
from core.records.spec import RunSpec, TextSpec
from core.run.compensating.one_removal import fitted_on

WAY = "logits"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calibration", help="the text of the fits")
    parser.add_argument("held_out", nargs="+", help="the texts to judge on")
    parser.add_argument("--of", type=Path, required=True, help="rows of benchmarks.compensation, which are added to")
    parser.add_argument("--method", default="ours, for refit")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    quiet()
    answer = json.loads(options.of.read_text(encoding="utf-8"))
    assert answer["texts"] == [Path(text).stem for text in options.held_out]
    spec = RunSpec(answer["model"], options.calibration, dtype=answer["dtype"])
    texts = [TextSpec(text, "whole", 128, JUDGED) for text in options.held_out]
    *judges, fit = games_of(spec, [*texts, fitted_on(spec.text(), answer["fit"])])
    assert str(fit.windows.protocol) == answer["fitted"]
    loaded, ids = fit.loaded, fit.windows.ids
    for row in answer["rows"]:
        if row["method"] != options.method or row["seed"] not in options.seeds or WAY in row:
            continue
        alike = [other for other in answer["rows"] if other["removed"] == row["removed"] and WAY in other]
        if alike:  # fits and judges are the same for every seed
            row |= {key: alike[0][key] for key in ("evaluations", WAY)}
            continue
        mask = without(len(loaded.info.players), row["removed"])
        once = taken(lambda mask=mask: sequence_losses(loaded, ids, mask))
        begun = time.process_time()
        _, patches = come(compensate(loaded, fit.windows, mask, WAY))
        row["evaluations"] = (time.process_time() - begun) / once
        row[WAY] = judged(fit, tuple(row["removed"]), judges, Repair(patches))
        print(row["count"], [f"{value:.1f}" for value in row[WAY]], f"{row['evaluations']:.1f} evaluations", flush=True)
        options.of.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    options.of.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    print(table(answer["rows"]))


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each plan that was fitted so: perplexities on each text after a refit, and after the steps."""
    lines = [
        f"| {', '.join(map(str, row['removed']))} | {figures(row['refit'])} | {figures(row[WAY])} | "
        f"{row['evaluations']:.1f} |"
        for row in sorted(rows, key=lambda row: row["count"])
        if WAY in row
    ]
    return "\n".join(dict.fromkeys(lines))


if __name__ == "__main__":
    main()
