"""The libraries of other projects that write four bits, each in a side folder, and what each of them asks for."""

from typing import NamedTuple


class Library(NamedTuple):
    """A package in the version that its requirements file pins, and the script here that calls it."""

    package: str
    version: str
    script: str
    method: str  # in words
    loads: str  # what transformers needs to load such a folder
    fits: bool = False  # on windows of a text
    group: int | None = None  # weights that share a scale, where it leaves no choice; None: what divides every row


LIBRARIES = {
    one.package: one
    for one in (
        # Frantar et al. 2023, with the columns in the order of their activations.
        Library(
            "gptqmodel", "7.6.0", "gptq.py", "GPTQ in the order of activations", "gptqmodel with optimum", fits=True
        ),
        Library("auto-round", "0.16.1", "round_to_nearest.py", "rounded to nearest", "auto-round"),
        # Dettmers et al. 2023; its blocks run through a matrix, whatever its rows.
        Library("bitsandbytes", "0.50.2", "normal_float.py", "NF4 with scales of 8 bits", "bitsandbytes", group=64),
    )
}
AUTO = "auto"


def library_of(name: str, device: str) -> Library:
    """A library by its name; `auto` takes GPTQ on a GPU, and elsewhere what needs seconds."""
    if name == AUTO:
        name = "gptqmodel" if device.startswith("cuda") else "auto-round"
    return LIBRARIES[name]
