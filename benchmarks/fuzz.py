"""Damages files of every kind that Quorum reads, for minutes each: `python -m benchmarks.fuzz MINUTES [KIND …]`.

Prints how many were read and refused, and every error without a name with the seed that makes it again.
"""

import collections
import sys
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np

from benchmarks.damage import Readers


def gguf_file(file: Path) -> None:
    """A small GGUF file with values of several types."""
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_array("tokenizer.ggml.tokens", ["<s>", "a", "b"])
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(minutes: float, *only: str) -> None:
    """Damages by the seeds 0, 1, 2, … until the time is up."""
    with tempfile.TemporaryDirectory() as folder:
        readers = Readers(Path(folder), gguf_file)
        for kind in only or readers.kinds:
            counts: collections.Counter[str] = collections.Counter()
            end, seed = time.monotonic() + 60 * minutes, 0
            while time.monotonic() < end:
                try:
                    counts["refused" if readers.refuses(kind, seed) else "read"] += 1
                except Exception as error:  # what is looked for
                    counts[f"{type(error).__name__}: {str(error)[:100]}"] += 1
                    if counts[f"{type(error).__name__}: {str(error)[:100]}"] == 1:
                        print(f"{kind}, seed {seed}: {error!r}"[:400], flush=True)
                seed += 1
            print(f"{kind}: {dict(counts)}", flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
