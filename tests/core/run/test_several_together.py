"""A whole run, search included, as where several hidden states fill a device: forced here, on a CPU."""

from pathlib import Path

import numpy as np
import pytest

from cache import evaluations, queries
from cache.database import Database
from cache.store import Store
from core.evaluate.walks import batch
from core.records.events import Finished, Progress
from core.records.spec import RunSpec
from core.run.engine import Engine


def test_a_run_that_is_left_and_resumed_has_the_same_numbers_to_rounding(
    tiny: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.evaluate.cached._PARTS", 0)
    request = RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50, dtype="float32")
    alone, several = Database(tmp_path / "alone"), Database(tmp_path / "several")
    [*_, whole] = Engine(Store(alone)).run(request, search=True)

    monkeypatch.setattr(batch, "fills", lambda sequences: 4)
    events = Engine(Store(several)).run(request, search=True)
    for event in events:
        if isinstance(event, Progress) and event.done >= 20:
            break
    events.close()
    [run] = queries.runs(several)
    left = evaluations.count_evaluations(several)
    assert run.status == "cancelled" and 20 <= left < 51, "it is left in the middle of a walk"
    [*_, last] = Engine(Store(several)).run(request, search=True)

    assert isinstance(whole, Finished) and isinstance(last, Finished)
    assert last.result.cached == left
    ours, theirs = (evaluations.measurements(file, queries.find_run(file, run.run)) for file in (several, alone))
    order = [np.lexsort(found.masks.T[::-1]) for found in (ours, theirs)]
    np.testing.assert_array_equal(ours.masks[order[0]], theirs.masks[order[1]])
    np.testing.assert_allclose(ours.losses[order[0]], theirs.losses[order[1]], rtol=1e-5)
    values = [[item.value for item in found.result.contributions] for found in (last, whole)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-3, atol=1e-3 * np.abs(values[1]).max())
