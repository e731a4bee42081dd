"""A recipe's file, which may have been written by anybody."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from core.coalitions.masks import removed as removed_by
from core.coalitions.players import mask_without, players_of
from core.errors import ModelNotFound, NotRecipe
from core.export.recipes.recipe import Recipe
from core.files import json_of
from core.hub.hub_id import COMMIT, HubId
from core.paths import own_name, user_path
from core.records.mends import COMPENSATIONS, WARMEST, Compensate, FourBits, Heal
from core.records.reader import from_fields
from core.records.spec import SAMPLERS, RunSpec
from core.tools.lending import LENT

# A recipe has one or two thousand bytes; no model has so many layers, and no text so many windows.
_LARGEST, _LAYERS, _NUMBER, _TEXT = 2**20, 10_000, 10**9, 4096
_VERSION = re.compile(r"[\w.+-]{1,64}", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_Asked = TypeVar("_Asked", RunSpec, Heal)


def read_recipe(file: Path, model: str | None = None, corpus: str | None = None) -> Recipe:
    """The recipe in a file that may have been written by anybody.

    Args:
        file: that `recipe` or an export wrote (quorum.json).
        model: where the model is on this machine, if it is not where the recipe says.
        corpus: the same of the text.

    Raises:
        NotRecipe: not such a file, or one that was changed into something else.
        SelectionError: layers that the recipe's own model does not have.
    """
    file = user_path(file)
    entries = _object(file)
    described, removed, run = entries.get("model"), entries.get("removed"), entries.get("run")
    if not isinstance(described, dict):
        raise _not_recipe(file, "it names no model")
    fingerprint, layers = described.get("fingerprint"), described.get("layers")
    if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
        raise _not_recipe(file, "its model has no fingerprint of sixteen hex digits")
    if not _is_number(layers) or not 2 <= layers <= _LAYERS:
        raise _not_recipe(file, "its model has no number of layers")
    if (
        not isinstance(removed, list)
        or not removed
        or not all(isinstance(name, str) or _is_number(name) for name in removed)
    ):
        raise _not_recipe(file, "removed is no list of players")
    if not isinstance(run, str) or not re.fullmatch(r"[\w-]{1,64}", run, re.ASCII):
        raise _not_recipe(file, "it names no run")
    spec = _fields(file, "found_by", RunSpec(), entries.get("found_by"))
    spec = replace(spec, model=model or _pinned(spec.model, described.get("commit")), corpus=corpus or spec.corpus)
    players = players_of(layers, spec.players, spec.protect)
    places = removed_by(mask_without(players, list(map(str, removed))))
    compensate = _compensate(file, entries.get("compensate"))
    heal = _heal(file, entries.get("heal"))
    trained = _trained(file, entries.get("healing")) if heal is not None else ""
    named = tuple(players[place] for place in places)
    gguf = isinstance(entries.get("gguf"), dict)
    bits = _bits(file, entries.get("bits"))
    return Recipe(spec, fingerprint, layers, named, run, compensate, heal, gguf, trained, bits)


def _object(file: Path) -> dict[str, Any]:
    try:
        entries = json_of(file, _LARGEST)
    except (json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise _not_recipe(file, "it is not JSON, or only a part of it") from cause
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise NotRecipe(f"{file} cannot be read: {reason}.", "Give the recipe's path: --recipe FILE.") from cause
    if not isinstance(entries, dict):
        raise _not_recipe(file, "it holds no JSON object")
    return entries


def _fields(file: Path, entry: str, standard: _Asked, found: object) -> _Asked:
    """A record of what is asked for, each field of the type that it has in `standard`."""
    if not isinstance(found, dict):
        raise _not_recipe(file, f"{entry} is missing")
    known = {}
    for name in (field.name for field in fields(standard)):
        default = getattr(standard, name)
        value = found.get(name, default)
        if isinstance(default, str):
            fits = isinstance(value, str) and len(value) <= _TEXT and bool(value or not default)
        elif isinstance(default, int):
            fits = _is_number(value)
        elif isinstance(default, float):
            fits = isinstance(value, float) and 0 <= value <= (WARMEST if name == "temperature" else 1)
        else:  # strata and protect
            fits = value is None or (isinstance(value, list | tuple) and all(map(_is_number, value)))
        if not fits or (value is None and default is not None) or (name == "sampler" and value not in SAMPLERS):
            raise _not_recipe(file, f"{entry} has no usable {name}")
        known[name] = value
    return from_fields(type(standard), known)


def _compensate(file: Path, asked: object) -> Compensate | None:
    if asked is None:
        return None
    found = asked if isinstance(asked, dict) else {}
    windows, fitting = found.get("windows"), found.get("fitting", 1)  # which the first releases did not write
    if found.get("how") not in COMPENSATIONS[1:] or not (windows is None or _is_number(windows)):
        raise _not_recipe(file, "compensate says none of scale, refit and logits, or no number of windows")
    if not _is_number(fitting):
        raise _not_recipe(file, "compensate has no usable fitting")
    return Compensate(found["how"], windows, fitting)


def _heal(file: Path, asked: object) -> Heal | None:
    if asked is None:
        return None
    heal = _fields(file, "heal", Heal(), asked)
    least = min(heal.steps, heal.batch, heal.rank, heal.alpha, heal.cutoff, heal.held)
    if least < 1 or min(heal.epochs, heal.warmup, heal.seed) < 0 or not heal.rate * heal.temperature:
        raise _not_recipe(file, "heal has numbers that no training can have")
    if any(own_name(name) != name or ".." in name for name in (heal.corpus, heal.instructions)):
        raise _not_recipe(file, "heal names its text by a path, where names alone are ever written")
    return heal


def _bits(file: Path, asked: object) -> FourBits | None:
    if asked is None:
        return None
    found = asked if isinstance(asked, dict) else {}
    library, version, group, fit, spec = (found.get(field.name) for field in fields(FourBits))
    if library not in LENT or not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise _not_recipe(file, "bits names no library that writes them")
    text = spec.get("corpus") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(text, str) or own_name(text) != text or ".." in text:
        raise _not_recipe(file, "bits names no text, or one by a path, where names alone are ever written")
    if not (_is_number(group) and _is_number(fit)) or group < 1 or fit < 0:
        raise _not_recipe(file, "bits has numbers that no rounding can have")
    return FourBits(library, version, group, fit, _fields(file, "bits", RunSpec(), {**spec, "model": RunSpec().model}))


def _trained(file: Path, done: object) -> str:
    """The fingerprint of what a training was on; empty where none was made yet."""
    if done is None:
        return ""
    tokens = done.get("tokens") if isinstance(done, dict) else None
    if not isinstance(tokens, str) or not _FINGERPRINT.fullmatch(tokens):
        raise _not_recipe(file, "healing has no fingerprint of sixteen hex digits")
    return tokens


def _pinned(model: str, commit: object) -> str:
    """The name of a Hub model at the commit that was measured: its branches move."""
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        return model
    try:
        return str(replace(HubId.of(model), revision=commit))
    except ModelNotFound:
        return model


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _NUMBER


def _not_recipe(file: Path, reason: str) -> NotRecipe:
    return NotRecipe(
        f"{file} is no recipe of Quorum's: {reason}.",
        "Write one with `python -m app recipe RUN --remove I,J,…`, or take quorum.json of an exported folder.",
    )
