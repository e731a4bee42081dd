"""Whole games, measured once and kept: what estimates and choices are held against.

`removals` has every removal of one or two layers of the bundled model on 10 x 128 tokens, and every removal of three on
the first two of these sequences; of the latter, the 400 best went on to all ten. `grouped` has all 4,096 coalitions of
twelve groups of the layers, on the first two; `last` has those of the last twelve layers, on 2 x 64 tokens. In float32,
on windows drawn by seed 0 from the first half of the text that is given (WikiText-2's validation split). Stopped, it
goes on where it was.
"""

import argparse
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from app.cli.opening import quiet
from cache.database import Database
from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import Masks, everything, without
from core.evaluate.game import Game, Games
from core.pauses import come
from core.records.spec import RunSpec, TextSpec

DATA = Path(__file__).parent / "data"
REMOVALS, GROUPED, LAST = (DATA / f"{name}.npz" for name in ("removals", "grouped", "last"))
LAYERS, GROUPS = 30, 12
_FINISHED = 400
Result = TypeVar("Result")


def removals(*counts: int) -> Masks:
    """Every removal of that many layers, in the order of `itertools.combinations`, (removals, 30)."""
    return np.array([without(LAYERS, gone) for count in counts for gone in combinations(range(LAYERS), count)])


def of_layers(coalitions: Masks) -> Masks:
    """Coalitions of groups (coalitions, 12) as masks of layers (coalitions, 30)."""
    parts = np.array_split(range(LAYERS), GROUPS)
    return np.repeat(coalitions, [len(part) for part in parts], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", help="the text to measure on: a .txt, .jsonl or .parquet file")
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/exhaustive.duckdb"))
    options = parser.parse_args()
    quiet()
    store = Store(Database(options.cache))
    games = {n: opened(store, RunSpec(corpus=options.text, sequences=n, dtype="float32")) for n in (10, 2)}
    DATA.mkdir(exist_ok=True)

    few, triples = removals(0, 1, 2), removals(3)
    whole = measured(games[10], few)
    screened = measured(games[2], triples)
    best = np.argsort(screened.mean(axis=1))[:_FINISHED]
    three = np.full((len(triples), 10), np.nan, dtype=np.float32)
    three[best] = measured(games[10], triples[best])
    protocol = str(games[10].windows.protocol)
    np.savez_compressed(REMOVALS, to_two=whole, three=three, three_screened=screened, protocol=protocol)

    losses = measured(games[2], of_layers(everything(GROUPS)))
    np.savez_compressed(GROUPED, losses=losses, protocol=str(games[2].windows.protocol))

    short = opened(store, RunSpec(corpus=options.text, sequences=2, window=64, dtype="float32"))
    last = everything(GROUPS)
    before = np.ones((len(last), LAYERS - GROUPS), dtype=np.bool_)
    losses = measured(short, np.concatenate([before, last], axis=1))
    np.savez_compressed(LAST, losses=losses, protocol=str(short.windows.protocol))


def opened(store: Store, spec: RunSpec, text: TextSpec | None = None) -> Game:
    """The game of a run specification, on its calibration windows or another text."""
    return come(Games(store).open(spec, text or spec.text(), check=lambda _: None))


def games_of(spec: RunSpec, texts: list[TextSpec]) -> list[Game]:
    """The games of one model, which is loaded once, on some texts."""
    games = Games(Store(InMemory()))
    return [come(games.open(spec, text, check=lambda _: None)) for text in texts]


def measured(game: Game, masks: Masks) -> np.ndarray:
    """The losses (masks, sequences), from the store where they are there."""
    found = dict(tqdm(game.evaluator.losses(masks), total=len(masks)))
    return np.stack([found[row] for row in range(len(masks))])


if __name__ == "__main__":
    main()
