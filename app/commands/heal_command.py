"""The command that trains what a removal has left, and exports it."""

import argparse
import sys
from dataclasses import replace

from app.cli.compensated import asked_compensation
from app.cli.opening import database_of, engine_on
from app.cli.terminal import follow
from app.commands.export_commands import chosen, finished, told
from app.requests import located, with_text
from core.errors import SelectionError
from core.export.recipes.recipe import Recipe
from core.records.events import Exported
from core.records.mends import HEALS, Heal, usual_recipe


def heal(options: argparse.Namespace) -> int:
    """Writes a pruned model that was trained after the cut, loads it again and measures it."""
    database = database_of(options)
    result, spec = finished(database, options.run)
    asked = asked_training(options, result.model.device)
    recipe = replace(
        Recipe.of(result, located(spec), chosen(database, options, result)),
        compensate=asked_compensation(options),
        heal=asked,
    )
    if not recipe.removed:
        raise SelectionError("Nothing is removed, so that there is nothing to heal.", "Name layers: --remove I,J,…")
    try:
        done = follow(engine_on(database).export(recipe, options.out, finish=options.finish))
    except KeyboardInterrupt:
        print(
            "Stopped. The training is kept up to its last reading, or the last minute; the same command goes on there, "
            "and with --finish it exports the best state so far.",
            file=sys.stderr,
        )
        return 130
    assert isinstance(done, Exported)
    told(options, done, None)
    return 0


def asked_training(options: argparse.Namespace, device: str) -> Heal:
    """The training that the options ask for of a run on a device, with its files as every process finds them."""
    usual = HEALS[options.recipe or usual_recipe(device)]
    heal = replace(usual, distil=options.distil, temperature=options.temperature)
    if options.rate is not None:
        heal = replace(heal, rate=options.rate)
    if options.steps is not None:
        heal = replace(heal, steps=options.steps, epochs=0)
    return with_text(heal, options.corpus, options.instructions)
