"""A model in four bits: written by a library in a process, loaded again in another, and measured beside the whole."""

import json
import os
import shutil
import sys
from collections.abc import Generator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.checkpoint.checkpoint import Checkpoint, finding, fingerprint
from core.checkpoint.device import choose_device
from core.checkpoint.headers import weight_files
from core.errors import ExportError, ToolError, UnsupportedModel
from core.export.carried import copy_terms
from core.export.target import check_target
from core.paths import own_name
from core.quantise.folder_records import CARD, RECIPE, write_records
from core.quantise.groups import BITS, group_size, is_on_grid
from core.quantise.known_windows import known_windows
from core.quantise.libraries import Library, library_of
from core.quantise.quantised import TOLD, Quantised
from core.records.events import Event, Stage
from core.records.mends import FourBits
from core.records.reader import from_fields
from core.records.spec import RunSpec, TextProtocol
from core.text.corpora import read
from core.text.windows import Windows
from core.tools.bare_folder import bare_folder
from core.tools.call import run
from core.tools.side_folder import check_package
from core.unfinished import unfinished

_NOTHING = "Nothing was left at the target."
_ROOT = Path(__file__).parents[2]
_WORST = 10.0  # times the perplexity: four bits cost far less, and weights that were packed wrongly far more
# What says how another model was made, or what it weighs.
_OF_THE_PARENT = (CARD, RECIPE, TOLD)


def quantising(
    spec: RunSpec, library: str, asked: int | None, out: Path, fit: int = 32
) -> Generator[Event, None, Quantised]:
    """Writes a model in four bits, and measures both; nothing is left at `out` unless it has been measured.

    Args:
        spec: names the model, the text whose evaluation windows are measured, the dtype and the device.
        library: of LIBRARIES, or auto.
        asked: weights that share a scale; None for as many as fit, up to 128.
        out: a new folder.
        fit: windows of the calibration half to fit to, for a library that does.

    Raises:
        ToolError: the library is not installed or fails, or a process cannot measure.
        ModelError, CorpusError, ExportError, NotWritable, DiskFull.
    """
    chosen = library_of(library, choose_device(spec.device))
    library, version = chosen.package, chosen.version
    tool, out = check_package(library, library, version), check_target(out)
    checkpoint = yield from finding(spec.model)
    if getattr(checkpoint.config, "quantization_config", None) is not None:
        raise UnsupportedModel(f"{spec.model} is quantised already.", "Name the model that it was made of.")
    group, grid = group_size(checkpoint.config, asked, chosen.group), is_on_grid(checkpoint.folder)
    text = spec.text("evaluation")
    yield Stage(f"Reading the text {text.corpus}")
    read(text.corpus, text.split, text.field, text.preset)  # the processes that measure it have no network
    windows = known_windows(checkpoint, replace(spec, sequences=fit).text()) if chosen.fits else None
    before = yield from _measured(Stage("Measuring the model as it is"), checkpoint.folder, tool, spec)
    with unfinished(out) as folder:
        yield from _quantised(checkpoint, tool, chosen, group, windows, folder)
        after = yield from _measured(Stage("Loading what was written again, and measuring it"), folder, tool, spec)
        if not after["perplexity"] < _WORST * before["perplexity"]:  # NaN is not either
            raise ExportError(
                f"What {library} {version} has written has perplexity {after['perplexity']:.4g}, and the model "
                f"{before['perplexity']:.4g}: these are not its weights.",
                "Use another library or group size, and please report this with the architecture.",
            )
        protocol = from_fields(TextProtocol, after["protocol"])
        name, made_of = own_name(spec.model), fingerprint(checkpoint)
        sizes, costs = (_size(checkpoint.folder), _size(folder)), (before["perplexity"], after["perplexity"])
        how = str(out), name, made_of, library, version, chosen.method
        fitted = windows.protocol if windows is not None else None
        done = Quantised(*how, BITS, group, *sizes, *costs, protocol, after["dtype"], grid, fitted)
        bits = FourBits(library, version, group, fit if chosen.fits else 0, spec)
        write_records(checkpoint.folder, folder, done, bits, copy_terms(checkpoint.folder, folder))
    return done


def _quantised(
    checkpoint: Checkpoint, tool: Path, library: Library, group: int, windows: Windows | None, out: Path
) -> Generator[Event, None, None]:
    script, stage = Path(__file__).with_name(library.script), Stage(f"Writing {BITS} bits with {library.package}")
    with bare_folder(checkpoint.folder, tool, _OF_THE_PARENT) as (seen, environment):
        command = [sys.executable, "-P", str(script), str(seen), str(out.resolve()), str(group)]
        if windows is not None:
            rows = seen.with_name("windows.json")
            rows.write_text(json.dumps(windows.ids.tolist()), encoding="utf-8")
            command.append(str(rows))
        yield from run(stage, library.package, command, environment, _NOTHING, seen.parent)
    if not any(out.glob("*.safetensors")):
        raise ToolError(f"{library.package} has ended well, and has written no weights.", _NOTHING)
    shutil.rmtree(out / ".cache", ignore_errors=True)
    (out / "quant_log.csv").unlink(missing_ok=True)
    for file in out.glob("*.safetensors"):
        shutil.copymode(out / "config.json", file)  # the library's are for nobody else to read


def _measured(stage: Stage, folder: Path, tool: Path, spec: RunSpec) -> Generator[Event, None, dict[str, Any]]:
    """The perplexity of a folder's model, by a process that has the library and knows nothing of what was in memory."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join([str(tool), str(_ROOT)])}
    text = json.dumps(asdict(spec.text("evaluation")))
    command = [sys.executable, "-P", "-m", "core.quantise.measured_folder", str(folder), spec.dtype, spec.device, text]
    said = yield from run(stage, "The process that measures", command, environment, _NOTHING)
    found: dict[str, Any] = json.loads(said)
    if "error" in found:
        raise ToolError(*found["error"])
    return found


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in weight_files(folder).files)
