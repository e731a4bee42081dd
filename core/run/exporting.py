"""An export as a run of events: checked, compensated if asked for, written, measured, converted if asked for, timed."""

from collections.abc import Iterator
from pathlib import Path

from core.coalitions.players import computed
from core.compensation.compensate import check_compensation
from core.evaluate.game import Games
from core.export.export import check_export, export, exported
from core.export.gguf.converter import check_converter
from core.export.gguf.written import write_gguf
from core.export.recipe import Recipe
from core.export.target import check_target
from core.records.events import Event, Stage
from core.run.compensating.one_removal import mended
from core.speed.latency import seconds


def exporting(games: Games, recipe: Recipe, out: Path, uncached: bool, most: float | None) -> Iterator[Event]:
    """The events of `Engine.export`, the last of which is Exported."""
    out = check_target(out, recipe)
    if recipe.gguf:
        check_converter()
    text = recipe.spec.text("evaluation")
    game = yield from games.open(recipe.spec, text, recipe.check_players)
    recipe.check(game.loaded.info)
    mask = check_export(game.loaded, recipe, uncached)
    fit = None
    if recipe.compensate is not None:
        check_compensation(game.loaded, mask)
        fit = yield from mended(games, recipe.spec, text, recipe.removed, recipe.compensate)
        game = yield from games.open(recipe.spec, text, recipe.check_players)
    yield Stage(f"Writing, reloading and measuring {out.name}")
    smaller = export(game.loaded, game.windows, recipe, out, uncached=uncached, most=most, fit=fit)
    file: Path | None = None
    if recipe.gguf:
        left, config = computed(game.loaded.kept(mask)), game.loaded.checkpoint.config
        file = yield from write_gguf(out, int(left.sum()), config.get_text_config(decoder=True).vocab_size)
    yield Stage("Timing both models in turn")
    took = seconds(game.loaded, game.windows.ids[:1], mask)
    yield exported(game.loaded, game.windows, recipe, out, smaller, fit and fit[0], took, file)
