"""python -m app COMMAND: everything that the dashboard does, without it."""

import argparse
import os
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from app.cli import audit_commands, choose_commands, exchange_commands, export_commands, run_commands
from app.cli.compensated import add_compensation
from app.cli.terminal import complain
from app.panics import named_panics
from app.requests import located
from core import __version__
from core.coalitions.worth import LOG_SCORE, SCORE, WORTHS
from core.errors import QuorumError
from core.export.formats import FORMATS
from core.records.plans import METHODS
from core.records.presets import PRESETS, under_preset
from core.records.spec import BOS_CHOICES, SAMPLERS, RunSpec
from core.records.values import INTERACTIONS, VALUES
from core.text.corpora import CORPORA

PROGRAM = "python -m app"
_DEFAULTS = RunSpec()


def command() -> int:
    """`quorum`, the command of an installation: this one under a name of its own."""
    return main(program="quorum")


def main(arguments: list[str] | None = None, program: str = PROGRAM) -> int:
    """Runs one command and returns the exit status: 0 done, 1 an expected failure, 2 wrong usage, 130 interrupted."""
    options = parser(program).parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end a run as cancelled, with everything kept
    try:
        return int(named_panics()(options.command)(options) or 0)
    except QuorumError as error:
        complain(options.json, error)
        return 1
    except BrokenPipeError:  # whoever read our answer has read enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("Stopped. What a run has measured is kept; run the same command again to go on.", file=sys.stderr)
        return 130


def spec_of(options: argparse.Namespace) -> RunSpec:
    """The run specification among the parsed options."""
    names = {field.name for field in fields(RunSpec)}
    return located(under_preset(RunSpec(**{name: value for name, value in vars(options).items() if name in names})))


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """The whole command line; docs/cli.md is written from it."""
    parser = argparse.ArgumentParser(prog=program, description="Which layers does a language model need?")
    said = argparse.SUPPRESS if program == PROGRAM else "say which release this is"
    parser.add_argument("--version", action="version", version=f"quorum {__version__}", help=said)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, text: str, among: Any = subparsers) -> argparse.ArgumentParser:
        added = among.add_parser(name, help=text, description=text)
        assert isinstance(added, argparse.ArgumentParser)
        added.set_defaults(command=function)
        added.add_argument("--json", action="store_true", help="one JSON object on standard output")
        added.add_argument("--cache", type=Path, metavar="FILE", help="the DuckDB file of results")
        return added

    run = command(
        "run", lambda options: run_commands.run(options, spec_of(options)), "measure, and estimate contributions"
    )
    _add_model(run)
    _add_text(run)
    run.add_argument("--sampler", choices=SAMPLERS, default=_DEFAULTS.sampler, help="stratified is the paper's")
    run.add_argument("--masks", type=int, default=_DEFAULTS.masks, help="coalitions to sample")
    run.add_argument("--no-search", action="store_true", help="end without plans: a search takes a third as long")
    run.add_argument("--strata", type=_integers, metavar="K,K,…", help="numbers of kept players (default: the paper's)")

    command("runs", run_commands.runs, "list the runs in the results file")
    show = command("show", run_commands.show, "show one run, complete or so far")
    audit = command("audit", audit_commands.audit, "hold each claim of a run against what was measured")

    values = command("values", run_commands.values, "one kind of value of every layer of a run")
    values.add_argument("--value", choices=VALUES, default="stratified")
    values.add_argument("--worth", choices=WORTHS, default=SCORE.name)
    values.add_argument("--check", action="store_true", help="hold Shapley values against those that shap finds")

    interactions = command("interactions", run_commands.interactions, "how pairs of layers depend on each other")
    interactions.add_argument("--value", choices=INTERACTIONS, default="shapley")
    interactions.add_argument("--worth", choices=WORTHS, default=LOG_SCORE.name)
    interactions.add_argument("--top", type=_positive, default=20, metavar="N", help="pairs to print; --json has all")

    predict = command("predict", choose_commands.predict, "what the surrogate expects without some layers, and why")
    predict.add_argument("--remove", type=_names, required=True, metavar="I,J,…", help="players to remove")

    for of_run in (show, audit, values, interactions, predict):
        of_run.add_argument("run", metavar="RUN")
    for estimates in (values, interactions, predict):
        estimates.add_argument("--refit", action="store_true", help="rest on all that is measured of the run's game")

    compare = command(
        "compare", lambda options: choose_commands.compare(options, spec_of(options)), "ours and the rivals"
    )
    _add_model(compare)
    _add_text(compare)
    compare.add_argument("--methods", type=_names, metavar="NAME,…", help=", ".join(METHODS))
    compare.add_argument(
        "--counts", type=_integers, metavar="K,…", help="players to remove (default: 10 to 40 %% of them)"
    )
    compare.add_argument("--units", type=float, default=1.0, help="compute of quorum, and of evopress for each count")

    perplexity = command("perplexity", run_commands.perplexity, "measure perplexity, whole or without some layers")
    _add_model(perplexity)
    _add_corpus(perplexity)
    perplexity.add_argument("--remove", type=_names, default=(), metavar="I,J,…", help="players to switch off")
    perplexity.add_argument("--window", type=int, default=_DEFAULTS.window)
    perplexity.add_argument("--kl", action="store_true", help="also KL from the whole model's predictions")
    perplexity.add_argument("--windows", type=int, metavar="N", help="only the first N windows")
    add_compensation(perplexity)

    select = command(
        "select", choose_commands.select, "search for the best layers to remove, at every count or for a target"
    )
    select.add_argument("run", metavar="RUN")
    target = select.add_mutually_exclusive_group()
    target.add_argument("--count", type=_positive, metavar="K", help="remove K players")
    target.add_argument("--ratio", type=_share, metavar="R", help="remove this share of the players: .2 or 20%%")
    target.add_argument("--parameters", type=_positive, metavar="N", help="leave at most N parameters")
    target.add_argument("--max-increase", type=_share, metavar="X", help="perplexity at most this much higher: 5%%")
    select.add_argument("--protect", type=_names, default=(), metavar="I,J,…", help="players that stay")
    select.add_argument("--most", type=_positive, metavar="K", help="plans of 1 to K players (default: half of them)")
    select.add_argument("--units", type=float, default=1.0, help="compute; 1 is SLEB's path to 2/5 of the layers")

    export = command("export", export_commands.export, "write a smaller model that plain transformers loads")
    export.set_defaults(misused=export.error)
    export.add_argument("run", nargs="?", metavar="RUN")
    again = _add_removal(export)
    again.add_argument("--recipe", type=Path, metavar="FILE", help="what a recipe says, instead of a run")
    export.add_argument("--model", metavar="bundled|ID|DIR", help="where the recipe's model is on this machine")
    export.add_argument("--corpus", metavar="NAME|FILE", help="where its text is")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    export.add_argument(
        "--uncached", action="store_true", help="also a hybrid that is left without attention, and so without a cache"
    )

    recipe = command("recipe", export_commands.write_recipe, "the chosen layers in the form of a tool, as text")
    recipe.add_argument("run", metavar="RUN")
    _add_removal(recipe)
    recipe.add_argument("--format", choices=FORMATS, default=next(iter(FORMATS)), help="recipe is Quorum's own")

    evaluations = subparsers.add_parser("evaluations", help="what was measured, as a file for another results file")
    ways = evaluations.add_subparsers(required=True, metavar="export|import|imports|remove")
    out = command("export", exchange_commands.export_evaluations, "write all that was measured in a run's game", ways)
    out.add_argument("run", metavar="RUN")
    out.add_argument("--out", type=Path, required=True, metavar="FILE", help="a new Parquet file")
    back = command(
        "import", exchange_commands.import_evaluations, "take in such a file; nothing in it is measured again", ways
    )
    back.add_argument("file", type=Path, metavar="FILE")
    command("imports", exchange_commands.list_imports, "the files that were taken in", ways)
    gone = command("remove", exchange_commands.remove_import, "take out again what came with a file", ways)
    gone.add_argument("file", metavar="SHA256", help="as `evaluations imports` lists it; its beginning will do")

    command("doctor", run_commands.doctor, "check this machine and installation")

    serve = command("serve", run_commands.serve, "start the dashboard")
    serve.add_argument("--port", type=int, default=8501)
    serve.add_argument("--address", default="127.0.0.1")
    serve.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which browsers may call it, besides localhost",
    )
    serve.add_argument(
        "--prefix", default="", metavar="PATH", help="the path below which a proxy hands it on, as /quorum"
    )
    return parser


def _add_removal(parser: argparse.ArgumentParser) -> Any:
    """The ways to say which layers go, of which one is taken."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--remove", type=_names, metavar="I,J,…", help="these players, such as 3,7, or 3a,7m")
    which.add_argument("--count", type=int, metavar="K", help="the K players of smallest contribution")
    which.add_argument("--plan", type=_positive, metavar="K", help="the K players that the last `select` chose")
    return which


def _add_model(parser: argparse.ArgumentParser) -> None:
    on_hub = "of the Hub: owner/name, owner/name@revision, owner/name/file.gguf"
    parser.add_argument("--model", default=_DEFAULTS.model, metavar="bundled|ID|DIR", help=on_hub)
    parser.add_argument("--dtype", default=_DEFAULTS.dtype, help="auto, float32, bfloat16 or float16")
    parser.add_argument("--device", default=_DEFAULTS.device, help="auto, cpu, cuda, cuda:N, mps or offload")
    parser.add_argument("--bos", default=_DEFAULTS.bos, choices=BOS_CHOICES)
    parser.add_argument(
        "--players", default=_DEFAULTS.players, metavar="KIND", help="block, sublayer (attention and MLP) or group:N"
    )
    parser.add_argument("--protect", type=_integers, default=(), metavar="I,J,…", help="layers that always stay")


def _add_text(parser: argparse.ArgumentParser) -> None:
    _add_corpus(parser)
    parser.add_argument("--sequences", type=int, default=_DEFAULTS.sequences, help="calibration windows")
    parser.add_argument("--window", type=int, default=_DEFAULTS.window, help="text tokens in a window")
    parser.add_argument("--seed", type=int, default=_DEFAULTS.seed)


def _add_corpus(parser: argparse.ArgumentParser) -> None:
    corpora = f"{', '.join(CORPORA)}, owner/name[:config][:split] of the Hub, a file, or a saved folder"
    parser.add_argument("--corpus", default=_DEFAULTS.corpus, metavar="NAME|FILE", help=corpora)
    parser.add_argument("--field", default=_DEFAULTS.field, metavar="NAME", help="what holds the text (default: text)")
    protocols = "windows, joins and BOS of the literature"
    parser.add_argument("--protocol", dest="preset", default=_DEFAULTS.preset, choices=PRESETS, help=protocols)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _share(text: str) -> float:
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < share < float("inf"):
        raise ValueError(text)
    return share


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as cause:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers, such as 0,29") from cause


if __name__ == "__main__":
    sys.exit(main())
