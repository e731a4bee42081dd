"""What runs in a process with gptqmodel: GPTQ, fitted to windows of a text.

Arguments: the model's folder, the new folder, the size of groups, and a file of windows: rows of token ids as JSON.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    source, out, group, windows = sys.argv[1:]
    # It takes its workers from the processors but one, and needs two.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", str(max(2, os.cpu_count() or 2)))
    library = import_module("gptqmodel")
    rows = json.loads(Path(windows).read_text(encoding="utf-8"))
    # What it lays on the disk meanwhile, it names in the settings that it writes: a path of this machine.
    settings = library.QuantizeConfig(bits=4, group_size=int(group), desc_act=True, offload_to_disk=False)
    model = library.GPTQModel.load(source, settings, trust_remote_code=False)
    model.quantize([{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows], batch_size=1)
    model.save(out)


if __name__ == "__main__":
    main()
