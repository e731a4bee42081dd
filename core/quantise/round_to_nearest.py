"""What runs in a process with auto-round: round to nearest, which needs no text and takes seconds.

Arguments: the model's folder, the new folder, and the size of groups.
"""

import sys
from importlib import import_module


def main() -> None:
    source, out, group = sys.argv[1:]
    library = import_module("auto_round")
    # Without a step of training, and without its search for better scales: that fetches a data set.
    quantiser = library.AutoRound(
        source,
        scheme="W4A16",
        group_size=int(group),
        iters=0,
        disable_opt_rtn=True,
        device_map="cpu",
        enable_torch_compile=False,
        trust_remote_code=False,
    )
    quantiser.quantize_and_save(out, format="auto_round")


if __name__ == "__main__":  # it starts processes that import this file
    main()
