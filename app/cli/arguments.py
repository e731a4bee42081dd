"""What several commands are given: a model, a text, layers; and the forms that numbers and lists are typed in."""

import argparse
import math
from dataclasses import fields
from typing import Any

from app.requests import located
from core.cluster.machines import Machines
from core.records.presets import PRESETS, under_preset
from core.records.spec import BOS_CHOICES, RunSpec
from core.text.corpora import CORPORA
from core.text.self_written.prompt_file import SELF

_DEFAULTS = RunSpec()


class WithDefaults(argparse.HelpFormatter):
    """Says each default that says something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        silent = action.default is None or isinstance(action.default, bool) or action.default in ((), [], "")
        if silent or not action.option_strings or action.const is not None or action.default == argparse.SUPPRESS:
            return action.help
        return f"{action.help} (default: %(default)s)"


def spec_of(options: argparse.Namespace) -> RunSpec:
    """The run specification among the parsed options."""
    names = {field.name for field in fields(RunSpec)}
    return located(under_preset(RunSpec(**{name: value for name, value in vars(options).items() if name in names})))


def add_run(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    parser.add_argument(
        "run", metavar="RUN", nargs=nargs, help="its id, a beginning of it, or its name; latest: the newest one"
    )


def add_weights(parser: argparse.ArgumentParser) -> None:
    on_hub = "of the Hub: owner/name, owner/name@revision, owner/name/file.gguf"
    parser.add_argument("--model", default=_DEFAULTS.model, metavar="bundled|ID|DIR", help=on_hub)
    parser.add_argument("--dtype", default=_DEFAULTS.dtype, help="auto, float32, bfloat16 or float16")
    parser.add_argument("--device", default=_DEFAULTS.device, help="auto, cpu, cuda, cuda:N, mps or offload")


def add_model(parser: argparse.ArgumentParser) -> None:
    add_weights(parser)
    parser.add_argument("--bos", default=_DEFAULTS.bos, choices=BOS_CHOICES, help="where the BOS token stands")
    add_players(parser)


def add_players(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--players", default=_DEFAULTS.players, metavar="KIND", help="block, sublayer (attention and MLP) or group:N"
    )
    parser.add_argument(
        "--protect", type=integers, default=(), metavar="I,J,…", help="layers that always stay (default: none)"
    )


def add_machines(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="measure in N processes of one thread, or on N GPUs, by Ray (default: no others)",
    )
    parser.add_argument(
        "--cluster",
        metavar="HOST:PORT",
        help="measure on this cluster of Ray, by N workers or all (default: none)",
    )


def machines_of(options: argparse.Namespace) -> Machines | None:
    """What measures, if it is not this process alone."""
    return Machines(options.workers, options.cluster) if options.workers or options.cluster else None


def specs_of(options: argparse.Namespace) -> list[RunSpec]:
    """The run specifications of several texts, one for each of --corpora."""
    return [spec_of(argparse.Namespace(**{**vars(options), "corpus": name})) for name in options.corpora]


def add_text(parser: argparse.ArgumentParser) -> None:
    add_corpus(parser)
    add_windows(parser)


def add_windows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sequences", type=int, default=_DEFAULTS.sequences, help="calibration windows")
    parser.add_argument("--window", type=int, default=_DEFAULTS.window, help="text tokens in a window")
    parser.add_argument("--seed", type=int, default=_DEFAULTS.seed, help="of all that is drawn")


def add_corpus(parser: argparse.ArgumentParser) -> None:
    named = f"{', '.join(CORPORA)}, {SELF}[PROMPTS]"
    corpora = f"{named}, owner/name[:config][:split] of the Hub, a file, or a saved folder"
    parser.add_argument("--corpus", default=_DEFAULTS.corpus, metavar="NAME|FILE", help=corpora)
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--field", default=_DEFAULTS.field, metavar="NAME", help="what holds the text (default: text)")
    protocols = "windows, joins and BOS of the literature (default: by the other options)"
    parser.add_argument("--protocol", dest="preset", default=_DEFAULTS.preset, choices=PRESETS, help=protocols)


def add_removal(parser: argparse.ArgumentParser, *, required: bool = True) -> Any:
    """The ways to say which layers go, of which one is taken."""
    which = parser.add_mutually_exclusive_group(required=required)
    usual = "" if required else " (default: the largest plan within 20 %% more perplexity)"
    which.add_argument("--remove", type=names, metavar="I,J,…", help=f"these players, such as 3,7, or 3a,7m{usual}")
    which.add_argument("--count", type=int, metavar="K", help="the K players of smallest contribution")
    which.add_argument("--plan", type=positive, metavar="K", help="the K players that the last search chose")
    return which


def names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def natural(text: str) -> int:
    if int(text) < 0:
        raise ValueError(text)
    return int(text)


def share(text: str) -> float:
    found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < found < float("inf"):
        raise ValueError(text)
    return found


def loss(text: str) -> tuple[str, float]:
    """A task and the points of accuracy that it may lose: piqa:2."""
    task, colon, points = text.rpartition(":")
    try:
        lost = float(points)
    except ValueError:
        lost = math.nan
    if not (colon and task and math.isfinite(lost)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a task and its points, such as piqa:2")
    return task, lost


def factor(text: str) -> float:
    """A number above 0."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return found


def integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as cause:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers, such as 0,29") from cause
