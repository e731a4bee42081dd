"""The four bits of a recipe: an export beside the folder that is asked for, which is rounded into that."""

from dataclasses import replace
from pathlib import Path

from app.cli.terminal import returned
from app.requests import located
from core.errors import ExportError, ToolError
from core.export.recipes.recipe import Recipe
from core.export.target import check_target, is_complete
from core.paths import own_name
from core.quantise.libraries import LIBRARIES
from core.quantise.quantised import Quantised
from core.records.mends import FourBits
from core.records.spec import RunSpec
from core.tools.side_folder import check_package


def before_bits(out: Path, wanted: Recipe, bits: FourBits) -> Path:
    """The folder that is rounded into `out`, once all is there that this needs: it stays, an export of its own.

    A training that was stopped, or a rounding that failed, then goes on from what there is.

    Raises:
        ToolError: the library is not there in the version that wrote the bits, or fits to something.
        ModelError, CorpusError, ExportError, NotWritable, DiskFull: the device, the text or the folder cannot be used.
    """
    from core.checkpoint.device import choose_device, choose_dtype  # with torch
    from core.text.corpora import read

    now = LIBRARIES[bits.library]
    if bits.version != now.version or bool(bits.fit) != now.fits:
        raise ToolError(
            f"The recipe's four bits are {bits.library} {bits.version}'s, and {now.version} is called here.",
            "Use the release that wrote the recipe; or take `bits` out of the file, and quantise the folder.",
        )
    check_package(bits.library, bits.library, bits.version)
    spec = _asked(bits, wanted.spec.corpus)
    choose_dtype(spec.dtype, choose_device(spec.device))
    read(spec.corpus, "evaluation", spec.field, spec.preset)
    out = check_target(out)
    before = out.with_name(f"{out.name}-before-bits")
    if wanted.heal is not None and is_complete(replace(wanted, bits=None), before):
        raise ExportError(
            f"{before} is trained and written already: four bits alone are missing.",
            f"Round it: quantise {before} --library {bits.library} --group-size {bits.group} --out {out}",
        )
    return before


def rounded(folder: Path, bits: FourBits, out: Path, corpus: str) -> Quantised:
    """The exported folder in the recipe's four bits.

    Args:
        folder: what was exported.
        bits: how it is rounded.
        out: a new folder.
        corpus: where the run's text is on this machine, which serves where the bits name the same one.
    """
    from core.quantise.quantising import quantising  # with torch

    spec = replace(_asked(bits, corpus), model=str(folder))
    fitted = {"fit": bits.fit} if bits.fit else {}
    return returned(quantising(spec, bits.library, bits.group, out, **fitted))


def _asked(bits: FourBits, corpus: str) -> RunSpec:
    """What the bits are measured and fitted on, as it lies on this machine."""
    text = corpus if own_name(corpus) == bits.asked.corpus else bits.asked.corpus
    return located(replace(bits.asked, corpus=text))
