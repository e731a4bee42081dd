"""An export as a run of events: checked, compensated and healed if asked for, written, measured, converted, timed."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.coalitions.masks import encode
from core.coalitions.players import computed
from core.compensation.compensate import check_compensation
from core.compensation.projections import Patches, patched
from core.errors import ExportError
from core.evaluate.game import Game, Games, check_written
from core.evaluate.perplexity import perplexity
from core.evaluate.reference import sequence_losses
from core.export.export import check_export, export, exported
from core.export.gguf.converter import check_converter
from core.export.gguf.written import write_gguf
from core.export.recipes.recipe import Recipe
from core.export.target import check_target
from core.healing.adapters import check_healing
from core.healing.checkpoints import any_state, checkpoint_of
from core.healing.examples import Material
from core.healing.installed_peft import check_peft
from core.healing.material import check_asked, check_same, material_of
from core.healing.stopped import alone, drop, noted
from core.healing.training import train
from core.records.behaviour.treatments import Treatment
from core.records.events import Event, Stage
from core.records.mends import FITTING, Compensate, Compensation, Healing
from core.records.storage import Store
from core.run.compensating.one_removal import fitted_on, mended
from core.speed.latency import seconds

Mask = NDArray[np.bool_]


def exporting(
    store: Store,
    games: Games,
    recipe: Recipe,
    out: Path,
    uncached: bool,
    most: float | None,
    finish: bool,
    owner: str | None,
) -> Iterator[Event]:
    """The events of `Engine.export`, the last of which is Exported."""
    heal = recipe.heal
    # What is trained is the same only where it is trained again: a folder is not looked at to spare that, but where
    # the training's own state says that it was stopped after writing.
    out = check_target(out, recipe if heal is None or any_state() else None)
    if recipe.gguf:
        check_converter()
    if heal is not None:
        check_peft()
        check_asked(heal)
    text = recipe.spec.text("evaluation")
    if recipe.compensate is not None:
        _check_fitting(recipe.compensate)
        check_written(fitted_on(text, recipe.compensate.windows))
    game = yield from games.open(recipe.spec, text, recipe.check_players)
    recipe.check(game.loaded.info)
    mask = check_export(game.loaded, recipe, uncached)
    material = None
    if recipe.compensate is not None:
        check_compensation(game.loaded, mask)
    if heal is not None:
        check_healing(game.loaded, mask)
        fitted = recipe.compensate and fitted_on(text, recipe.compensate.windows).sequences
        own = replace(fitted_on(text, None), sequences=None)
        material = yield from material_of(games, recipe.spec, own, recipe.check_players, heal, fitted or 0)
        check_same(material, recipe.trained)
    fit: tuple[Compensation | None, Patches] = None, {}
    if recipe.compensate is not None:
        fit = yield from mended(games, recipe.spec, text, recipe.removed, recipe.compensate)
    game = yield from games.open(recipe.spec, text, recipe.check_players)
    healed, file = None, None
    with ExitStack() as held:
        if material is not None:
            file = checkpoint_of(
                game.loaded.info.fingerprint, game.loaded.info.dtype, recipe.removed, heal, material.tokens, fit[0]
            )
            held.enter_context(alone(file.stem))
            check_target(out, recipe if file.exists() else None)
            training = _healed(game, recipe, mask, fit[1], material, file, finish)
            healed, patches = yield from noted(training, file.stem, recipe, out, uncached, owner)
            fit = fit[0], patches
        yield Stage(f"Writing, reloading and measuring {out.name}")
        smaller = export(game.loaded, game.windows, recipe, out, uncached=uncached, most=most, fit=fit, healed=healed)
        beside: Path | None = None
        if recipe.gguf:
            left, config = computed(game.loaded.kept(mask)), game.loaded.checkpoint.config
            beside = yield from write_gguf(out, int(left.sum()), config.get_text_config(decoder=True).vocab_size)
        if recipe.compensate is not None or healed is not None:
            whole, cut, after = map(perplexity, (smaller.whole, smaller.plain, smaller.losses))
            # Its text is named by the training, without a folder of this machine.
            bare = heal and replace(heal, corpus="", instructions="")
            treated = Treatment(game.windows.protocol, whole, cut, fit[0], healed, after, bare)
            store.record_traits(game.loaded.info, encode(mask), treated)
        yield Stage("Timing both models in turn")
        took = seconds(game.loaded, game.windows.ids[:1], mask)
        if file is not None:
            drop(file.stem)
    yield exported(game.loaded, game.windows, recipe, out, smaller, (fit[0], healed), took, beside)


def _check_fitting(asked: Compensate) -> None:
    if asked.fitting != FITTING:
        raise ExportError(
            f"The recipe's {asked.how} was fitted in another way than this release fits it: its weights cannot be had.",
            f"Fit it as this release does: --compensate {asked.how}; or use the release that wrote the recipe.",
        )


def _healed(
    game: Game, recipe: Recipe, mask: Mask, patches: Patches, material: Material, file: Path, finish: bool
) -> Generator[Event, None, tuple[Healing, Patches]]:
    """What training gives, with the perplexity before it on the text that the export is judged on."""
    assert recipe.heal is not None
    yield Stage("Measuring the model before training")
    with patched(game.loaded.model, patches):
        before = perplexity(sequence_losses(game.loaded, game.windows.ids, mask))
    done, patches = yield from train(game.loaded, mask, patches, material, recipe.heal, file, finish=finish)
    return replace(done, before=before), patches
