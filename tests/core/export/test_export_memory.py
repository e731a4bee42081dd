"""What an export takes beyond the loaded model, measured by the system in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

from app.root import ROOT

# On the bundled model in 16 bits, so that loading the export copies every weight. Private memory: pages of files that
# are mapped in are the system's to take back.
SCRIPT = """
import json, sys, threading, time
from pathlib import Path
import numpy as np
import psutil
from core.text.corpora import EMBEDDED, read
from core.export.export import export
from core.checkpoint.memory import give_back
from core.checkpoint.checkpoint import locate
from core.model.model import load
from core.export.recipes.recipe import Recipe
from core.evaluate.reference import sequence_losses
from core.records.spec import RunSpec, TextSpec
from core.text.windows import cut

def private():
    held = psutil.Process().memory_info()
    return held.rss - held.shared

def watch():
    while watching:
        peaks.append(private())
        time.sleep(0.002)

loaded = load(locate("bundled"), "bfloat16", "cpu")
windows = cut(read(EMBEDDED, "evaluation"), loaded.checkpoint.tokenizer, TextSpec(EMBEDDED, "evaluation", 48, 1))
sequence_losses(loaded, windows.ids, np.ones(30, dtype=bool))  # a first forward takes what every forward takes
give_back()
watching, peaks, before = True, [], private()
thread = threading.Thread(target=watch)
thread.start()
export(loaded, windows, Recipe(RunSpec(), "", 30, (11, 12, 20), "run"), Path(sys.argv[1]))
watching = False
thread.join()
print(json.dumps({"before": before, "beyond": max(peaks) - before}))
"""


def test_an_export_holds_the_kept_weights_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(out)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    kept = sum(file.stat().st_size for file in out.glob("*.safetensors"))
    assert found["before"] > kept / 2, "the model in 16 bits is loaded: the files hold 32"
    assert kept / 4 < found["beyond"] <= 1.2 * kept, (found, kept)
