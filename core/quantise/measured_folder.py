"""What runs in a clean process: a folder's model loaded anew, and its perplexity on a text, as one line of JSON.

Arguments: the folder, the dtype, the device, and the text's specification as JSON.
"""

import json
import os
import sys
from dataclasses import asdict

import numpy as np

from core.checkpoint.checkpoint import locate
from core.errors import QuorumError
from core.evaluate.perplexity import perplexity
from core.evaluate.reference import check_finite, sequence_losses
from core.model.model import load
from core.quantise.known_windows import known_windows
from core.records.reader import from_fields
from core.records.spec import TextSpec


def main() -> None:
    folder, dtype, device, text = sys.argv[1:]
    answer = os.dup(1)
    os.dup2(2, 1)  # libraries print
    try:
        asked = from_fields(TextSpec, json.loads(text))
        checkpoint = locate(folder)
        windows = known_windows(checkpoint, asked)
        loaded = load(checkpoint, dtype, device)
        everyone = np.ones(len(loaded.blocks), dtype=np.bool_)
        losses = sequence_losses(loaded, windows.ids, everyone)
        check_finite(loaded, windows.ids, everyone, losses)
        said = {"perplexity": perplexity(losses), "protocol": asdict(windows.protocol), "dtype": loaded.info.dtype}
    except QuorumError as error:
        said = {"error": [error.message, error.hint]}
    os.write(answer, json.dumps(said).encode())


if __name__ == "__main__":
    main()
