"""The whole command line: every command with its options and one example; docs/cli.md is written from it."""

import argparse
from pathlib import Path
from typing import Any

from app.cli.arguments import (
    WithDefaults,
    add_corpus,
    add_machines,
    add_model,
    add_reading,
    add_run,
    add_text,
    add_windows,
    integers,
    names,
    positive,
    spec_of,
    specs_of,
)
from app.cli.behaviour_options import add_behaviour
from app.cli.compensated import add_compensation
from app.cli.select_options import add_select
from app.cli.speed_options import add_speed
from app.cli.task_options import add_tasks, add_worth
from app.cli.writers import add_writers
from app.commands import (
    audit_commands,
    completed,
    doctor,
    label_commands,
    matrix_commands,
    run_commands,
    serve,
    value_commands,
)
from app.commands.choosing import choose_commands, compare_command
from app.root import PROGRAM
from core import __version__
from core.coalitions.worth import LOG_SCORE, SCORE, WORTHS
from core.records.plans import METHODS, USUAL_METHODS
from core.records.spec import SAMPLERS, RunSpec
from core.records.values import INTERACTIONS, VALUES

_DEFAULTS = RunSpec()
_PLACE = "$QUORUM_CACHE, or quorum.duckdb in $QUORUM_HOME or ~/.quorum"
_METHODS = f"{', '.join(METHODS)} (default: {', '.join(USUAL_METHODS)})"


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """The whole command line; docs/cli.md is written from it."""
    parser = argparse.ArgumentParser(prog=program, description="Which layers does a language model need?")
    parser.add_argument(
        "--version", action="version", version=f"quorum {__version__}", help="say which release this is"
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, function: object, text: str, example: str, among: Any = subparsers
    ) -> argparse.ArgumentParser:
        """A command, and what one types: `example`, where `latest` is the newest run."""
        added = among.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"example: {program} {example}",
            formatter_class=WithDefaults,
        )
        assert isinstance(added, argparse.ArgumentParser)
        added.set_defaults(command=function, missed=1)
        added.add_argument("--json", action="store_true", help="one JSON object on standard output")
        added.add_argument("--cache", type=Path, metavar="FILE", help=f"the results file (default: {_PLACE})")
        return added

    run = command(
        "run",
        lambda options: run_commands.run(options, spec_of(options)),
        "measure, and estimate contributions",
        "run --masks 100 --sequences 4",
    )
    add_model(run)
    add_text(run)
    run.add_argument("--sampler", choices=SAMPLERS, default=_DEFAULTS.sampler, help="stratified is the paper's")
    run.add_argument("--masks", type=int, default=_DEFAULTS.masks, help="coalitions to sample")
    run.add_argument("--no-search", action="store_true", help="end without plans: a search takes a third as long")
    add_worth(run)
    add_machines(run)
    run.add_argument("--strata", type=integers, metavar="K,K,…", help="numbers of kept players (default: the paper's)")

    runs = command("runs", run_commands.runs, "list the runs in the results file", "runs")
    which = runs.add_mutually_exclusive_group()
    which.add_argument("--archived", action="store_true", help="also those in the archive")
    which.add_argument("--deleted", action="store_true", help="in their place those that can be brought back")
    label = command(
        "label",
        label_commands.label,
        "name a run, annotate, archive, delete or restore it",
        'label latest --name "first try" --note "before the new tokenizer"',
    )
    label.add_argument("--name", metavar="TEXT", help="what it is called from now on, RUN of any command; '' for none")
    label.add_argument("--note", metavar="TEXT", help="what is to be known of it; '' for nothing")
    put = label.add_mutually_exclusive_group()
    for option, done, text in (
        ("--archive", "archived", "no list shows it that is not asked for the archive"),
        ("--delete", "deleted", "no list shows it; its results are forgotten after a week, what it measured never is"),
        ("--restore", "restored", "back out of the archive, or as it was before it was deleted"),
    ):
        put.add_argument(option, dest="put", action="store_const", const=done, help=text)
    show = command("show", run_commands.show, "show one run, complete or so far", "show latest")
    audit = command("audit", audit_commands.audit, "hold each claim of a run against what was measured", "audit latest")

    values = command(
        "values",
        value_commands.values,
        "one kind of value of every layer of a run",
        "values latest --value shapley --worth log_score",
    )
    values.add_argument("--value", choices=VALUES, default="stratified", help="stratified is the paper's")
    values.add_argument("--worth", choices=WORTHS, default=SCORE.name, help="what a coalition is worth")
    values.add_argument("--check", action="store_true", help="hold Shapley values against those that shap finds")

    interactions = command(
        "interactions",
        value_commands.interactions,
        "how pairs of layers depend on each other",
        "interactions latest --top 10",
    )
    interactions.add_argument("--value", choices=INTERACTIONS, default="shapley", help="the index")
    interactions.add_argument("--worth", choices=WORTHS, default=LOG_SCORE.name, help="what a coalition is worth")
    interactions.add_argument("--top", type=positive, default=20, metavar="N", help="pairs to print; --json has all")

    predict = command(
        "predict",
        choose_commands.predict,
        "what the surrogate expects without some layers, and why",
        "predict latest --remove 1,2",
    )
    predict.add_argument("--remove", type=names, required=True, metavar="I,J,…", help="players to remove")

    for of_run in (label, show, audit, values, interactions, predict):
        add_run(of_run)
    for estimates in (values, interactions, predict):
        estimates.add_argument("--refit", action="store_true", help="rest on all that is measured of the run's game")

    compare = command(
        "compare",
        lambda options: compare_command.compare(options, spec_of(options)),
        "ours and the rivals",
        "compare --counts 1,2 --methods quorum,shortgpt --units .2 --compensate refit",
    )
    add_model(compare)
    add_text(compare)
    compare.add_argument("--methods", type=names, metavar="NAME,…", help=_METHODS)
    compare.add_argument(
        "--counts", type=integers, metavar="K,…", help="players to remove (default: 10 to 40 %% of them)"
    )
    compare.add_argument("--units", type=float, default=1.0, help="compute of quorum, and of evopress for each count")
    add_compensation(compare)

    matrix = command(
        "matrix",
        lambda options: matrix_commands.matrix(options, specs_of(options)),
        "search on several texts, and judge each one's plans on all of them",
        "matrix --corpora python-docs,own.txt --counts 1,2 --masks 40",
    )
    add_model(matrix)
    matrix.add_argument(
        "--corpora", type=names, required=True, metavar="NAME|FILE,…", help="two texts or more, as --corpus of `run`"
    )
    add_reading(matrix)
    add_windows(matrix)
    matrix.add_argument("--masks", type=int, default=_DEFAULTS.masks, help="coalitions to sample on each text")
    matrix.add_argument(
        "--counts", type=integers, metavar="K,…", help="players to remove (default: 10, 20 and 30 %% of them)"
    )

    perplexity = command(
        "perplexity",
        run_commands.perplexity,
        "measure perplexity, whole or without some layers",
        "perplexity --remove 1 --windows 8",
    )
    add_model(perplexity)
    add_corpus(perplexity)
    perplexity.add_argument(
        "--remove", type=names, default=(), metavar="I,J,…", help="players to switch off (default: none)"
    )
    perplexity.add_argument("--window", type=int, default=_DEFAULTS.window, help="text tokens in a window")
    perplexity.add_argument("--kl", action="store_true", help="also KL from the whole model's predictions")
    perplexity.add_argument("--windows", type=int, metavar="N", help="only the first N windows (default: all)")
    add_compensation(perplexity)

    add_select(command)
    add_speed(command)
    add_behaviour(command)
    add_tasks(command)
    add_writers(command, subparsers)

    command("doctor", doctor.doctor, "check this machine and installation", "doctor")
    completion = command(
        "completion", completed.completion, "what a shell needs to complete commands and options", "completion bash"
    )
    completion.add_argument("shell", choices=completed.SHELLS, metavar="SHELL", help=", ".join(completed.SHELLS))

    serving = command("serve", serve.serve, "start the dashboard", "serve --port 8502")
    serving.add_argument("--port", type=int, default=8501, help="of this machine")
    serving.add_argument("--address", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    serving.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which browsers may call it, besides localhost (default: none)",
    )
    serving.add_argument(
        "--prefix",
        default="",
        metavar="PATH",
        help="the path below which a proxy hands it on, as /quorum (default: none)",
    )
    return parser
