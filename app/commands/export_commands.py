"""The commands that take chosen layers out: a smaller model, and its recipe in the forms of several tools."""

import argparse
from dataclasses import asdict, replace

from app.cli.compensated import asked_compensation, compensation_object, compensation_text, healing_object, healing_text
from app.cli.opening import database_of, engine_on
from app.cli.terminal import follow, say
from app.commands.quantise.quantise_commands import quantised_lines
from app.commands.quantise.rounded_export import before_bits, rounded
from app.requests import located, with_text
from app.words import poor_writing, saved
from cache import queries
from cache.behaviour import compensated_rows, plan_traits
from cache.database import Database
from core.checkpoint.memory import give_back
from core.coalitions.players import indexes, mask_without, names
from core.errors import ModelNotFound, RunNotFound
from core.export.formats import FORMATS
from core.export.gguf.converter import check_converter
from core.export.recipes.recipe import Recipe
from core.export.recipes.recipe_file import read_recipe
from core.export.target import check_target
from core.paths import own_name, user_path
from core.quantise.quantised import Quantised
from core.records.behaviour.writes import TOKENS, Behaviour
from core.records.events import Behaved, Exported
from core.records.mends import Heal
from core.records.results import RunResult
from core.records.spec import BUNDLED, RunSpec
from core.selection.removal_paths import least_contributing
from core.selection.targets import Target


def export(options: argparse.Namespace) -> None:
    """Writes a pruned model, loads it again and measures it."""
    if (options.recipe is None) == (options.run is None):
        options.misused("name a run and what to remove, or --recipe FILE alone")
    if options.recipe is None and (options.model or options.corpus or options.training_text):
        options.misused("--model, --corpus and --training-text go with --recipe; a run names its own")
    if options.recipe is not None and options.check_writing:
        options.misused("--check-writing goes with a run, which says what text and precision to judge by")
    if options.format == "gguf":
        check_converter()  # before texts are written for minutes
    database, judged = database_of(options), None
    if options.recipe is not None:
        wanted = _here(database, read_recipe(options.recipe, options.model, options.corpus), options)
        wanted = replace(wanted, heal=_trained_here(wanted.heal, options))
    else:
        result, spec = finished(database, options.run)
        removed = chosen(database, options, result)
        wanted = replace(Recipe.of(result, spec, removed), compensate=asked_compensation(options))
        check_target(options.out, wanted)  # before texts are written for minutes
        judged = _judged(database, result, spec, removed, afresh=options.check_writing)
    wanted = replace(wanted, spec=located(wanted.spec), compensate=asked_compensation(options) or wanted.compensate)
    if options.format is not None:
        wanted = replace(wanted, gguf=options.format == "gguf")
    bits, quantised, text = wanted.bits, None, wanted.spec.corpus
    out = before_bits(options.out, wanted, bits) if bits is not None else options.out
    whole = replace(wanted, bits=None)
    # Nothing keeps the engine, and the model that it has in memory, while others round what it has written.
    done = follow(engine_on(database).export(whole, out, uncached=options.uncached, most=options.fail_above))
    assert isinstance(done, Exported)
    if bits is not None:
        give_back()
        quantised = rounded(out, bits, options.out, text)
    told(options, done, judged, quantised)


def told(
    options: argparse.Namespace, done: Exported, judged: Behaviour | None, quantised: Quantised | None = None
) -> None:
    """Says what was written, what it is worth, and what each step of it gave.

    Args:
        options: of the command.
        done: the export; of one in four bits, the folder beside before they were rounded.
        judged: a verdict on its writing.
        quantised: what four bits save and cost.
    """
    gone, fitted, healed = names(done.players, done.removed), done.compensation, done.healing
    steps = [name for name, step in (("compensation", fitted), ("training", healed)) if step]
    treatments = " and ".join(steps)
    treated = "".join(
        [", compensated" if healed else " and compensated"] * bool(fitted) + [" and trained"] * bool(healed)
    )
    compensated = healed.before if healed else done.perplexity
    answer = {
        "path": quantised.path if quantised else done.path,
        "removed": gone,
        "perplexity": done.perplexity,
        "compensation": fitted and compensation_object(fitted, compensated),
        "healing": healed and healing_object(healed, done.perplexity),
        "uncompensated": done.plain,
        "writing": judged and judged.pruned.verdict,
        "verified": True,  # export raises otherwise, and leaves nothing at the path
        "protocol": asdict(done.protocol),
        "parameters": {"deleted": done.deleted, "zeroed": done.zeroed},
        "gguf": done.gguf or None,
        "bits": quantised and asdict(quantised),
        "seconds": {"whole": done.whole, "exported": done.pruned},
    }
    lines = [
        f"{done.path}: layers {', '.join(map(str, gone))} removed; loaded again with transformers, "
        f"perplexity {done.perplexity:.4f}, equal to the masked{treated} model's",
        *([f"without {treatments} {done.plain:.4f}"] if treatments else []),
        *([compensation_text(fitted, compensated).removeprefix("\n")] if fitted else []),
        *([healing_text(healed, done.perplexity)] if healed else []),
        str(done.protocol),
        *saved(done),
        *(["then in four bits:", *quantised_lines(quantised)] if quantised else []),
        *([f"warning: {poor}"] if (poor := poor_writing(judged)) else []),
    ]
    say(options.json, answer, "\n".join(lines))


def write_recipe(options: argparse.Namespace) -> None:
    """The chosen layers in the form of one tool, as text that goes into a file."""
    database = database_of(options)
    result, spec = finished(database, options.run)
    model, removed = result.model, chosen(database, options, result)
    mask_without(model.players, removed)
    text = FORMATS[options.format](result, spec, removed)
    answer = {"run": result.run, "removed": names(model.players, removed), "format": options.format, "text": text}
    say(options.json, answer, text.removesuffix("\n"))


def _judged(
    database: Database, result: RunResult, spec: RunSpec, removed: tuple[int, ...], *, afresh: bool
) -> Behaviour | None:
    """The verdict on the writing of what is left: a stored one, or judged now."""
    if afresh and removed:
        done = follow(engine_on(database).behave(spec, removed, TOKENS))
        assert isinstance(done, Behaved)
        return done.found
    return plan_traits.of_removals(database, result.model, [removed])[removed].judgement


def _here(database: Database, wanted: Recipe, options: argparse.Namespace) -> Recipe:
    """The recipe with the paths of its model and text, where its run is in the results file: it tells their names.

    Raises:
        ModelNotFound: nothing here says where the model is.
    """
    spec = wanted.spec
    for run in queries.runs(database):
        if run.run == wanted.run and run.findings is not None and run.findings.fingerprint == wanted.fingerprint:
            if not options.model and own_name(run.spec.model) == spec.model:
                spec = replace(spec, model=run.spec.model)
            if not options.corpus and own_name(run.spec.corpus) == spec.corpus:
                spec = replace(spec, corpus=run.spec.corpus)
    if spec.model != BUNDLED and "/" not in spec.model and not user_path(spec.model).exists():
        raise ModelNotFound(
            f"The recipe names its model {spec.model}, a folder or file of the machine that it was written on.",
            f"Say where it is here: --model PATH (its fingerprint is {wanted.fingerprint}).",
        )
    return replace(wanted, spec=spec)


def _trained_here(heal: Heal | None, options: argparse.Namespace) -> Heal | None:
    """A recipe's training with the path of its text or its instructions, which the recipe names alone."""
    named = heal is not None and (heal.corpus or heal.instructions)
    if options.training_text and not named:
        options.misused(
            "--training-text goes with a recipe that trains on a text of its own; --corpus is where the run's is"
        )
    if heal is None or not named:
        return heal
    text = options.training_text or named
    return with_text(heal, instructions=text) if heal.instructions else with_text(heal, text)


def chosen(database: Database, options: argparse.Namespace, result: RunResult) -> tuple[int, ...]:
    """The players that the options name, by their places in a mask; of a plan to compensate, as `select` judged it."""
    if options.plan is not None:
        found = queries.find_selection(database, result.run)
        [plan] = Target(count=options.plan).choose(found)
        how = getattr(options, "compensate", "none")
        judged = compensated_rows.known(database, result.run, found.protected, how, found.protocol.tokens)
        best = {each.count: each.removed for each in judged.best()} if judged is not None else {}
        return best.get(options.plan, plan.removed)
    if options.remove:
        return indexes(result.model.players, options.remove)
    return least_contributing(result.overall, options.count)


def finished(database: Database, name: str) -> tuple[RunResult, RunSpec]:
    """A run's result and request, or RunNotFound while it has none."""
    found = queries.find_run(database, name)
    if found.result is None or found.status != "finished":
        raise RunNotFound(f"Run {found.run} is {found.status}, not finished.", "Finish it first: start it again.")
    return found.result, found.resolved
