"""What a compensation takes, in evaluations of the same removal on the same tokens.

Plans of one model, in one process and in turn: each is evaluated by plain forwards on all windows of a fit, and
compensated on them. Times are processor seconds, which other programs disturb little; ratios carry over.
"""

import argparse
import time
from collections.abc import Callable

from app.cli.opening import quiet
from benchmarks.exhaustive import opened
from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import without
from core.compensation.compensate import compensate, cuts_of
from core.evaluate.reference import sequence_losses
from core.pauses import come
from core.records.spec import RunSpec
from core.run.compensating.one_removal import fitted_on

PLANS = ("14,16,17", "13,14,15,16,17,26", "5,12,13,14,15,16,17,18,26", "3,4,5,6,7,13,14,16,17,18,25,26")
WAYS = ("scale", "refit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", help="a text to fit on")
    parser.add_argument("--remove", nargs="+", default=PLANS, metavar="16,17,18")
    parser.add_argument("--fit", type=int, default=146, help="windows of 128 tokens")
    parser.add_argument("--dtype", default="bfloat16")
    options = parser.parse_args()
    quiet()
    spec = RunSpec("bundled", options.text, dtype=options.dtype, device="cpu")
    fit = opened(Store(InMemory()), spec, fitted_on(spec.text(), options.fit))
    loaded, windows = fit.loaded, fit.windows
    print(windows.protocol)
    for plan in options.remove:
        mask = without(len(loaded.info.players), [int(layer) for layer in plan.split(",")])
        sequence_losses(loaded, windows.ids[:4], mask)  # what the first forward prepares
        once = taken(lambda mask=mask: sequence_losses(loaded, windows.ids, mask))
        cells = [f"{once:.1f}"]
        for way in WAYS:
            seconds = taken(lambda mask=mask, way=way: come(compensate(loaded, windows, mask, way)))
            cells.append(f"{seconds:.1f} ({seconds / once:.1f} times)")
        print(f"| {plan.replace(',', ', ')} | {len(cuts_of(mask))} | {' | '.join(cells)} |", flush=True)


def taken(work: Callable[[], object]) -> float:
    """Processor seconds of it."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
