"""Builds, measures and exports a small model of every kind: python -m benchmarks.families [KIND …].

Results go to benchmarks/families/results.json, kind by kind, so that it can be ended and started again; `make docs`
writes the table in docs/models.md from it. Kinds that are there already are left out, unless they are named.
"""

import json
import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import Any

from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from benchmarks.families.probing import probe
from benchmarks.families.table import RESULTS

SECONDS = 120


def main() -> None:
    known: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    # Half the kinds leave something behind in the process: each has one of its own.
    processes = multiprocessing.get_context("fork")
    for kind in sys.argv[1:] or [kind for kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if kind not in known]:
        with tempfile.TemporaryDirectory() as folder, processes.Pool(1) as pool:
            try:
                known[kind] = pool.apply_async(probe, (kind, Path(folder))).get(SECONDS)
            except multiprocessing.TimeoutError:
                known[kind] = {"failed": f"no answer in {SECONDS} s"}
        print(kind, known[kind], flush=True)
        RESULTS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
