"""What a cell gives, as the engine takes it; what cannot be meant is said before anything is loaded."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter, ValidationError

from core.coalitions.masks import Masks
from core.errors import BadPath, SelectionError
from core.paths import user_path
from core.records.mends import COMPENSATIONS, HEALS, Compensate, Heal
from core.records.presets import under_preset
from core.records.spec import RunSpec
from core.selection.targets import Target

Players = str | int | Iterable[str | int]  # "3,7", 3, [3, 7], ["3a", "7m"]


def spec_of(**fields: Any) -> RunSpec:
    """The request with these fields of a RunSpec; SelectionError for a value of another type than the field's."""
    from app.requests import located

    try:
        asked = TypeAdapter(RunSpec).validate_python({name: _plain(value) for name, value in fields.items()})
    except ValidationError as cause:
        first = cause.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise SelectionError(
            f"{name}={first['input']!r} cannot be used: {first['msg']}.", "help(quorum.run) says what each takes."
        ) from cause
    return located(under_preset(asked))


def names_of(players: Players) -> list[str]:
    """The names of some players: a number is the name of a block, not a place in a mask."""
    if isinstance(players, str):
        return [name for part in players.split(",") if (name := part.strip())]
    some: Iterable[Any] = players if isinstance(players, Iterable) else [players]
    found = [_plain(name) for name in some]
    if wrong := [name for name in found if isinstance(name, bool) or not isinstance(name, str | int)]:
        raise SelectionError(f"{wrong[0]!r} is no name of a player.", 'Name players as they are shown: [3, "7a"].')
    return list(map(str, found))


def at_least_one(players: Players) -> list[str]:
    """As `names_of`; SelectionError for nobody."""
    found = names_of(players)
    if not found:
        raise SelectionError("Nobody would be removed.", "Name one player or more: remove=[3, 7].")
    return found


def compensation_of(how: str, fit: int | None = None) -> Compensate | None:
    """What is asked to be fitted after a cut, on how many windows; SelectionError for what cannot be meant."""
    if how not in COMPENSATIONS:
        raise SelectionError(f"compensate={how!r} is unknown.", f"Take one of {', '.join(COMPENSATIONS)}.")
    windows = None if fit is None else integer_of(fit, "fit")
    if how == "none" and windows is not None:
        raise SelectionError(f"fit={fit} is of a compensation, and there is none.", 'Add compensate="refit".')
    return None if how == "none" else Compensate(how, windows)


def heal_of(
    recipe: str,
    steps: int | None,
    rate: float | None,
    corpus: str | PathLike[str],
    instructions: str | PathLike[str],
    distil: float,
    temperature: float,
) -> Heal:
    """The training that is asked for; SelectionError for what the command has no option for."""
    from app.requests import with_text

    if recipe not in HEALS:
        raise SelectionError(f"recipe={recipe!r} is unknown.", f"Take one of {', '.join(HEALS)}.")
    for text, name in ((corpus, "corpus"), (instructions, "instructions")):
        path_of(text, name)
    texts = {"corpus": fspath(corpus), "instructions": fspath(instructions)}
    if all(texts.values()):
        raise SelectionError("corpus and instructions are two texts to train on.", "Give one of them.")
    numbers = {"rate": HEALS[recipe].rate if rate is None else rate, "distil": distil, "temperature": temperature}
    for name, number in numbers.items():
        if name != "distil" or number != 0:
            positive(number, name)
    found = {name: float(number) for name, number in numbers.items()}
    heal = replace(HEALS[recipe], rate=found["rate"], distil=found["distil"], temperature=found["temperature"])
    if steps is not None:
        heal = replace(heal, steps=integer_of(steps, "steps"), epochs=0)
    return with_text(heal, **texts)


def masks_of(masks: ArrayLike) -> Masks:
    """Masks (masks, players), True or 1 for a player who is kept; SelectionError for anything else."""
    found = _array(masks, "masks")
    if found.ndim != 2 or 0 in found.shape:
        raise SelectionError(f"masks has the shape {found.shape}.", "Give a row for each mask: (masks, players).")
    if found.dtype != np.bool_ and not (found.dtype.kind in "iuf" and np.isin(found, (0, 1)).all()):
        raise SelectionError("masks holds something else than True and False.", "Use True for a player who is kept.")
    return found.astype(np.bool_)


def numbers_of(values: ArrayLike, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Numbers of that shape, where None is any length but 0; SelectionError for anything else."""
    found = _array(values, name)
    fits = found.ndim == len(shape) and all(
        have == wanted if wanted is not None else have > 0 for have, wanted in zip(found.shape, shape, strict=True)
    )
    if not fits or found.dtype.kind not in "iuf":
        wanted = ", ".join("sequences" if length is None else str(length) for length in shape)
        raise SelectionError(
            f"{name} is an array of {found.dtype} of the shape {found.shape}.",
            f"Give numbers of the shape ({wanted}{',' * (len(shape) == 1)}): nats a token.",
        )
    return found.astype(np.float64)


def path_of(value: str | PathLike[str], name: str) -> Path:
    """The path of a file or folder, with ~ expanded; BadPath for anything else."""
    if not isinstance(value, str | PathLike):
        raise BadPath(f"{name}={value!r} is no path.", f'Give the path of a file or folder: {name}="…".')
    return user_path(fspath(value))


def texts_of(values: Sequence[str] | str, name: str) -> tuple[str, ...]:
    """Words, of which one alone may stand without a list; SelectionError for anything else."""
    found = (values,) if isinstance(values, str) else tuple(values) if isinstance(values, Iterable) else (values,)
    if not all(isinstance(item, str) for item in found):
        raise SelectionError(f"{name}={values!r} holds something else than names.", f'Give names: {name}=["…"].')
    return found


def integers_of(values: Sequence[int] | int, name: str) -> tuple[int, ...]:
    """Whole numbers from 1 on, of which one alone may stand without a list; SelectionError for anything else."""
    plain = _plain(values)
    found = plain if isinstance(plain, tuple) else (plain,)
    if not found or not all(isinstance(item, int) and not isinstance(item, bool) and item > 0 for item in found):
        raise SelectionError(f"{name}={values!r} cannot be used.", "Give whole numbers from 1 on.")
    return found


def integer_of(value: int, name: str) -> int:
    """One whole number from 1 on, or SelectionError."""
    found = integers_of(value, name)
    if len(found) > 1:
        raise SelectionError(f"{name}={value!r} cannot be used.", "Give one whole number from 1 on.")
    return found[0]


def target_of(count: int | None, ratio: float | None, parameters: int | None, max_increase: float | None) -> Target:
    """The one target that is given, or none; SelectionError for several, or for one that nothing could reach."""
    named = {"count": count, "ratio": ratio, "parameters": parameters, "max_increase": max_increase}
    given = {name: value for name, value in named.items() if value is not None}
    if len(given) > 1:
        raise SelectionError(f"{' and '.join(given)} are targets of their own.", "Give one of them.")
    for name, value in given.items():
        positive(value, name)
    for name, number in (("count", count), ("parameters", parameters)):
        if number is not None:
            integers_of(number, name)
    return Target(count, ratio, parameters, max_increase)


def positive(value: object, name: str) -> None:
    """SelectionError for what is no number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < float("inf"):
        raise SelectionError(f"{name}={value!r} cannot be used.", "Give a number above 0.")


def _array(values: ArrayLike, name: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as cause:
        raise SelectionError(f"{name} is no array: {cause}.", "Give rows of one length.") from cause


def _plain(value: Any) -> Any:
    """A path as text, numpy's numbers and arrays as Python's, and what can be gone through as a tuple."""
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    return tuple(value) if isinstance(value, list | range | set) else value
