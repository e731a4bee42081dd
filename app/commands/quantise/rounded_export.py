"""The four bits of a recipe: where the export goes before it is rounded, and the rounding."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from app.cli.terminal import returned
from app.requests import located
from core.errors import ToolError
from core.export.target import check_target
from core.paths import own_name
from core.quantise.libraries import LIBRARIES
from core.quantise.quantised import Quantised
from core.records.mends import FourBits
from core.tools.side_folder import check_package
from core.unfinished import Unfinished


@contextmanager
def exported_to(out: Path, bits: FourBits | None) -> Iterator[Path]:
    """The folder itself, or where four bits follow one beside it, which is gone in the end.

    Raises:
        ToolError: the library is not there in the version that wrote the bits.
        ExportError, NotWritable, DiskFull: as of `check_target`.
    """
    if bits is None:
        yield out
        return
    now = LIBRARIES[bits.library].version
    if bits.version != now:
        raise ToolError(
            f"The recipe's four bits are {bits.library} {bits.version}'s, and {now} is called here.",
            "Use the release that wrote the recipe; or take `bits` out of the file, and quantise the folder.",
        )
    check_package(bits.library, bits.library, bits.version)
    making = Unfinished(check_target(out))
    try:
        yield making.path / out.name
    finally:
        making.drop()


def rounded(folder: Path, bits: FourBits, out: Path, corpus: str) -> Quantised:
    """The exported folder in the recipe's four bits.

    Args:
        folder: what was exported.
        bits: how it is rounded.
        out: a new folder.
        corpus: where the run's text is on this machine, which serves where the bits name the same one.
    """
    from core.quantise.quantising import quantising  # with torch

    text = corpus if own_name(corpus) == bits.asked.corpus else bits.asked.corpus
    spec = located(replace(bits.asked, model=str(folder), corpus=text))
    fitted = {"fit": bits.fit} if bits.fit else {}
    return returned(quantising(spec, bits.library, bits.group, out, **fitted))
