"""The options of the commands that write files: a smaller model, its recipe, what was measured, what pages show."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.cli.arguments import add_corpus, add_removal, add_run, positive, share
from app.cli.compensated import add_compensation
from app.commands import exchange_commands, export_commands, heal_command, report_commands
from app.commands.quantise import quantise_commands
from core.export.formats import FORMATS
from core.quantise.libraries import AUTO, LIBRARIES
from core.records.mends import HEALS


def add_writers(command: Callable[..., argparse.ArgumentParser], subparsers: Any) -> None:
    """Adds them; `command` is the parser's own way to add one."""
    export = command(
        "export",
        export_commands.export,
        "write a smaller model that plain transformers loads",
        "export latest --count 1 --out smaller",
    )
    export.set_defaults(misused=export.error, missed=3)
    add_run(export, nargs="?")
    again = add_removal(export)
    again.add_argument("--recipe", type=Path, metavar="FILE", help="what a recipe says, instead of a run")
    there = "is on this machine (default: where its run or itself says)"
    export.add_argument("--model", metavar="bundled|ID|DIR", help=f"where the recipe's model {there}")
    export.add_argument("--corpus", metavar="NAME|FILE", help=f"where the recipe's text {there}")
    export.add_argument(
        "--training-text",
        metavar="NAME|FILE",
        help="where the text or the instructions of the recipe's training are on this machine (default: where it says)",
    )
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    export.add_argument(
        "--format",
        choices=("safetensors", "gguf"),
        help="gguf: also as one file in half precision, for llama.cpp (default: as the recipe says, else safetensors)",
    )
    export.add_argument(
        "--uncached", action="store_true", help="also a hybrid that is left without attention, and so without a cache"
    )
    add_compensation(export)
    export.add_argument(
        "--fail-above",
        type=share,
        metavar="X",
        help="status 3, and nothing is written, where perplexity would rise by more than this: 20%% (default: never)",
    )
    export.add_argument(
        "--check-writing", action="store_true", help="judge first, as `behaviour` does, whether it still writes"
    )

    heal = command(
        "heal",
        heal_command.heal,
        "train a smaller model a little after the cut (LoRA), and write it as `export` does",
        "heal latest --count 1 --steps 8 --out healed",
    )
    add_run(heal)
    add_removal(heal)
    add_compensation(heal)
    heal.add_argument("--steps", type=positive, metavar="N", help="of the optimiser (default: as --recipe says)")
    heal.add_argument("--rate", type=float, metavar="X", help="the highest learning rate (default: as --recipe says)")
    heal.add_argument(
        "--distil",
        type=float,
        default=0.0,
        metavar="X",
        help="share of the loss, 0 to 1, that is KL from the whole model's predictions; the rest is of the text",
    )
    heal.add_argument(
        "--temperature", type=float, default=1.0, metavar="T", help="by which the logits of both are divided for that"
    )
    heal.add_argument(
        "--finish", action="store_true", help="no more steps: write the best state of a training that was stopped"
    )
    heal.add_argument(
        "--recipe",
        choices=HEALS,
        help="short: 64 steps of 8; paper: 2 passes in steps of 64 (default: short, or paper for a run on CUDA)",
    )
    on = heal.add_mutually_exclusive_group()
    on.add_argument("--corpus", metavar="NAME|FILE", default="", help="text to train on (default: the run's own half)")
    on.add_argument(
        "--instructions",
        metavar="FILE",
        default="",
        help="rows of instruction, input, output: loss of answers alone (default: text)",
    )
    heal.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")

    bits = command(
        "quantise",
        quantise_commands.quantise,
        "write a model in four bits, load it again in a clean process, and measure both",
        "quantise smaller --out smaller-4bit",
    )
    bits.add_argument("folder", metavar="DIR", help="the model, such as an export")
    bits.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    bits.add_argument(
        "--library",
        dest="rounder",
        choices=(AUTO, *LIBRARIES),
        default=AUTO,
        help="what writes them; auto: gptqmodel on a GPU, elsewhere auto-round, which takes seconds",
    )
    bits.add_argument(
        "--fit", type=positive, default=32, metavar="N", help="windows of the calibration half that gptqmodel fits to"
    )
    bits.add_argument(
        "--group-size",
        type=positive,
        metavar="N",
        help="weights of a row that share a scale (default: the largest up to 128 that divides every row)",
    )
    add_corpus(bits)
    bits.add_argument("--sequences", type=positive, default=10, metavar="N", help="windows that both are measured on")
    bits.add_argument("--window", type=positive, default=128, metavar="N", help="text tokens in a window")
    bits.add_argument("--seed", type=int, default=0, help="of what windows are drawn")
    bits.add_argument("--dtype", default="auto", help="in which both are measured: auto, float32, bfloat16 or float16")
    bits.add_argument("--device", default="auto", help="on which both are measured: auto, cpu, cuda, cuda:N or mps")

    recipe = command(
        "recipe",
        export_commands.write_recipe,
        "the chosen layers in the form of a tool, as text",
        "recipe latest --count 1 --format mergekit",
    )
    add_run(recipe)
    add_removal(recipe)
    recipe.add_argument("--format", choices=FORMATS, default=next(iter(FORMATS)), help="recipe is Quorum's own")

    report = command(
        "report",
        report_commands.report,
        "write a run and a removal as one page for any browser, the very file of the page Export",
        "report latest --count 1 --out report.html",
    )
    figures = command(
        "figures",
        report_commands.figures,
        "write the figures of a run: HTML, the data as CSV and LaTeX, and SVG where Chromium or Chrome is installed",
        "figures latest --count 1 --out figures",
    )
    for shown, where, what in ((report, "FILE", "a new file"), (figures, "DIR", "a new folder")):
        add_run(shown)
        add_removal(shown, required=False)
        shown.add_argument("--out", type=Path, required=True, metavar=where, help=what)

    evaluations = subparsers.add_parser("evaluations", help="what was measured, as a file for another results file")
    ways = evaluations.add_subparsers(required=True, metavar="export|import|imports|remove")
    out = command(
        "export",
        exchange_commands.export_evaluations,
        "write all that was measured in a run's game",
        "evaluations export latest --out measured.parquet",
        ways,
    )
    add_run(out)
    out.add_argument("--out", type=Path, required=True, metavar="FILE", help="a new Parquet file")
    back = command(
        "import",
        exchange_commands.import_evaluations,
        "take in such a file; nothing in it is measured again",
        "evaluations import measured.parquet",
        ways,
    )
    back.add_argument("file", type=Path, metavar="FILE")
    command("imports", exchange_commands.list_imports, "the files that were taken in", "evaluations imports", ways)
    gone = command(
        "remove",
        exchange_commands.remove_import,
        "take out again what came with a file",
        "evaluations remove measured.parquet",
        ways,
    )
    gone.add_argument("file", metavar="NAME|SHA256", help="as `evaluations imports` lists it; a beginning will do")
