"""Finished runs of small models: each is made once in a session, and tests get copies of its results file.

Other runs of the same games, which tests make to watch them, train no network a second time.
"""

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cache.database import Database
from cache.store import Store
from core.coalitions.masks import Masks
from core.coalitions.measurements import Floats, Measurements
from core.pauses import Pause
from core.records import events
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.surrogate.validation import KINDS, Predictor
from tests.support.once import Once

Finished = Callable[..., list[str]]  # given the specifications of runs, their names


def _kept(predict: Predictor) -> Predictor:
    """The same, which keeps what it has predicted: it follows from what was seen, and takes most of a small run."""
    known: dict[tuple[object, ...], Floats] = {}

    def predicted(seen: Measurements, masks: Masks, seed: int, between: Pause) -> Floats:
        parts = (seen.masks, seen.losses, seen.dense, masks)
        asked = (*((part.shape, part.tobytes()) for part in parts), seed)
        if asked not in known:
            known[asked] = predict(seen, masks, seed, between)
        between()
        return known[asked].copy()

    return predicted


_ENSEMBLE = "Network ensemble (AdamW)"
KINDS[_ENSEMBLE] = _kept(KINDS[_ENSEMBLE])


class Archive:
    def __init__(self, once: Once) -> None:
        self._once = once

    def put(self, file: Path, *specs: RunSpec) -> list[str]:
        """Makes `file` a results file of these runs and nothing else, finished in this order; gives their names."""
        made = self._made(specs)
        shutil.copyfile(made, file)
        return made.with_suffix(".names").read_text().split()

    def _made(self, specs: tuple[RunSpec, ...]) -> Path:
        def make(file: Path) -> None:
            names = self.put(file, *specs[:-1]) if specs[:-1] else []
            *_, last = Engine(Store(Database(file))).run(specs[-1])
            assert isinstance(last, events.Finished)
            file.with_suffix(".names").write_text(" ".join([*names, last.result.run]))

        return self._once.made(f"{sha256(repr(specs).encode()).hexdigest()[:16]}.duckdb", make)
