"""A model in four bits, from a notebook."""

from os import PathLike
from typing import TYPE_CHECKING

from app.notebook.given import integer_of, path_of, spec_of
from app.notebook.progress_bar import follow
from core.errors import SelectionError
from core.quantise.libraries import AUTO, LIBRARIES

if TYPE_CHECKING:
    from core.quantise.quantised import Quantised


def quantise(
    folder: str | PathLike[str],
    out: str | PathLike[str],
    library: str = "auto",
    *,
    group_size: int | None = None,
    fit: int = 32,
    corpus: str = "python-docs",
    sequences: int = 10,
    window: int = 128,
    seed: int = 0,
    dtype: str = "auto",
    device: str = "auto",
    field: str = "",
    preset: str = "",
) -> "Quantised":
    """Writes a model in four bits, loads it again in a process of its own, and measures both.

    Args:
        folder: the model, such as an export.
        out: a new folder.
        library: gptqmodel, auto-round or bitsandbytes, each in a folder beside; auto: gptqmodel on a GPU, else
            auto-round.
        group_size: weights that share a scale; None: the largest size up to 128 that divides every row.
        fit: windows that a library which fits is given.
        corpus, sequences, window, seed, dtype, device, field, preset: of what both are measured on; as of `run`.

    Raises:
        QuorumError: before any work if the library is not there or the request is wrong; nothing is left at `out`
            unless it has been measured.
    """
    if library not in (AUTO, *LIBRARIES):
        raise SelectionError(f"library={library!r} is unknown.", f"Take one of {', '.join((AUTO, *LIBRARIES))}.")
    size = None if group_size is None else integer_of(group_size, "group_size")
    target, windows = path_of(out, "out"), integer_of(fit, "fit")
    spec = spec_of(
        model=str(path_of(folder, "folder")),
        corpus=corpus,
        sequences=sequences,
        window=window,
        seed=seed,
        dtype=dtype,
        device=device,
        field=field,
        preset=preset,
    )
    from core.quantise.quantising import quantising  # with torch

    found: Quantised = follow(quantising(spec, library, size, target, windows))[1]
    return found
