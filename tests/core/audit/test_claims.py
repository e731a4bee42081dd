"""An audit of made-up runs: what is as it should be holds, what is not fails, and no good verdict hides it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from core.attribution.hybrid import Hybrid
from core.audit import coverage
from core.audit.audit import audit
from core.audit.evidence import Evidence, difference, holds
from core.coalitions.measurements import Measurements
from core.errors import SelectionError
from core.records.audits import FAILS, HOLDS, UNKNOWN


def states(run: Evidence) -> dict[str, str]:
    return {name: part.state for name, part in audit(run).parts.items()}


def test_an_honest_run_passes_and_says_on_what_it_rests(honest: Evidence) -> None:
    found = audit(honest)
    assert {part.state for part in found.parts.values()} == {HOLDS}
    assert found.sound and "FAILS" not in found.verdict and "FAILS" not in found.headline
    assert f"of {found.coalitions.of} held-out coalitions" in found.verdict
    assert "values sum to what was measured (to " in found.verdict
    assert found.own == len(honest.measured)
    gone = honest.measured.losses[~honest.measured.masks.any(axis=1)].mean() - honest.measured.dense.mean()
    worths = {item.worth: item for item in found.sums.worths}
    assert worths["score"].measured == pytest.approx(1 - np.exp(-gone)) and worths["log_score"].measured == gone
    for item in worths.values():
        assert item.own and item.values == pytest.approx(item.measured, rel=1e-9)
    assert found.exactness.measured == found.exactness.coalitions == 256


def test_numbers_of_what_is_held_out_are_those_of_a_fit_without_it(honest: Evidence) -> None:
    found = audit(honest)
    sizes = found.coalitions.sizes
    assert sum(size.inside for size in sizes) == found.coalitions.inside
    assert sum(size.of for size in sizes) == found.coalitions.of == len(honest.measured) - 1  # nobody's is none
    assert found.coalitions.inside / found.coalitions.of == pytest.approx(0.9, abs=0.06)
    measured = np.array([honest.every.perplexity(plan) for plan in honest.plans])
    assert found.chosen.of == len(measured) == 7 and found.chosen.factor == pytest.approx(1, abs=0.1)
    assert 0.75 < found.texts.inside < 1 and found.texts.sequences == 12


def test_where_all_was_measured_contributions_meet_enumeration(complete: Evidence) -> None:
    found = audit(complete)
    assert found.sound and found.exactness.error < 1e-12 and found.exactness.inside == 5
    assert "every coalition was measured" in found.verdict and "none is predicted" in found.verdict
    worth = {mask.tobytes(): score for mask, score in zip(complete.every.masks, complete.every.scores, strict=True)}
    worth[np.ones(5, dtype=bool).tobytes()] = 1.0
    shapley = np.zeros(5)
    for order in permutations(range(5)):
        mask = np.zeros(5, dtype=bool)
        for player in order:
            before = worth[mask.tobytes()]
            mask[player] = True
            shapley[player] += (worth[mask.tobytes()] - before) / 120
    assert next(item.values for item in found.sums.worths if item.worth == "score") == pytest.approx(shapley.sum())


def changed(run: Evidence, **fields: Any) -> Evidence:
    return replace(run, result=replace(run.result, **fields))


def values_off(run: Evidence) -> Evidence:
    one, *rest = run.result.contributions
    return changed(run, contributions=(replace(one, value=one.value + 1e-3), *rest))


def value_is_none(run: Evidence) -> Evidence:
    one, *rest = run.result.contributions
    return changed(run, contributions=(replace(one, value=np.nan), *rest))


def intervals_narrow(run: Evidence) -> Evidence:
    items = [replace(item, low=item.value, high=item.value) for item in run.result.contributions]
    return changed(run, contributions=tuple(items))


def calibration_narrow(run: Evidence) -> Evidence:
    items = [replace(item, calibration=item.calibration * 0.3) for item in run.result.contributions]
    return changed(run, contributions=tuple(items))


def bands_narrow(run: Evidence) -> Evidence:
    return changed(run, bands=tuple(replace(band, half=band.half / 4) for band in run.result.bands))


def quality_made_up(run: Evidence) -> Evidence:
    return changed(run, surrogate=replace(run.result.surrogate, r2=0.9999))


def coalitions_gone(run: Evidence) -> Evidence:
    return replace(run, measured=run.measured[list(range(len(run.measured) - 5))])


def coalitions_of_others(run: Evidence) -> Evidence:
    return changed(run, surrogate=replace(run.result.surrogate, masks=len(run.measured) - 40))


def losses_changed(run: Evidence) -> Evidence:
    losses = run.measured.losses.copy()
    losses[1] += 0.01
    return replace(run, measured=replace(run.measured, losses=losses))


def plans_worse(run: Evidence) -> Evidence:
    losses = run.every.losses + 0.2
    return replace(run, every=replace(run.every, losses=losses))


def plans_ruined(run: Evidence) -> Evidence:
    return replace(run, every=replace(run.every, losses=np.full_like(run.every.losses, np.inf)))


def texts_twice(run: Evidence) -> Evidence:
    measured = run.measured
    copied = replace(measured, losses=np.tile(measured.losses, 2), dense=np.tile(measured.dense, 2))
    return replace(run, measured=copied, every=copied)


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (values_off, "figures"),
        (value_is_none, "figures"),
        (quality_made_up, "figures"),
        (coalitions_gone, "figures"),
        (coalitions_of_others, "figures"),
        (losses_changed, "figures"),
        (intervals_narrow, "exactness"),
        (bands_narrow, "coalitions"),
        (calibration_narrow, "texts"),
        (texts_twice, "texts"),
        (plans_worse, "chosen"),
        (plans_ruined, "chosen"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_whatever_is_wrong_fails(honest: Evidence, wrong: Callable[[Evidence], Evidence], part: str) -> None:
    found = audit(wrong(honest))
    failing = found.parts[part]
    assert failing.state == FAILS and not found.sound
    assert f"FAILS: {failing.says}" in found.verdict and found.headline.startswith("FAILS: ")


@pytest.mark.parametrize("wrong", [values_off, value_is_none])
def test_an_exhaustive_run_whose_values_are_not_exact_fails(
    complete: Evidence, wrong: Callable[[Evidence], Evidence]
) -> None:
    """As runs of an earlier release, which went through a surrogate."""
    found = audit(wrong(complete))
    assert found.exactness.state == FAILS and not found.sound and "and yet contributions are" in found.verdict


@pytest.mark.parametrize("factor", [1.01, np.nan])
def test_an_estimator_that_misses_efficiency_fails(
    honest: Evidence, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    values = Hybrid.values
    monkeypatch.setattr(Hybrid, "values", lambda *arguments: values(*arguments) * factor)
    found = audit(honest)
    assert found.sums.state == found.exactness.state == FAILS and not found.sound


def test_a_surrogate_that_knows_nothing_fails(honest: Evidence) -> None:
    """Its intervals hold, and are as wide as the game."""
    rng = np.random.default_rng(3)
    losses = honest.measured.dense + rng.gamma(1, 1, (len(honest.measured), 1))
    run = replace(honest, measured=replace(honest.measured, losses=losses), finished=False)
    found = audit(run)
    assert found.coalitions.state == FAILS and "explain nothing" in found.verdict and not found.sound


def test_a_size_whose_intervals_are_too_narrow_fails(honest: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    real = coverage.halves_of_others

    def narrow_for_one(masks: Any, *arguments: Any) -> Any:
        return np.where(masks.sum(axis=1) == 6, 0.6, 2) * real(masks, *arguments)

    monkeypatch.setattr(coverage, "halves_of_others", narrow_for_one)
    found = audit(honest).coalitions
    [six] = [size for size in found.sizes if size.kept == 6]
    assert six.of >= 20 and holds(found.inside, found.of), "all sizes together are as they should be"
    assert found.state == FAILS and f"but {six.inside} of the {six.of} that keep 6 players" in found.says


def test_what_cannot_be_told_is_said_to_be_so(honest: Evidence) -> None:
    nobody = honest.measured.masks.any(axis=1)
    few = replace(
        honest,
        finished=False,
        plans=honest.plans[:3],
        measured=replace(
            honest.measured[nobody], losses=honest.measured.losses[nobody][:, :3], dense=honest.measured.dense[:3]
        ),
    )
    few = replace(few, every=few.measured)
    assert states(few) | {"exactness": "", "coalitions": ""} == {
        "figures": UNKNOWN,
        "sums": UNKNOWN,
        "exactness": "",
        "coalitions": "",
        "texts": UNKNOWN,
        "chosen": UNKNOWN,
    }
    verdict = audit(few).verdict
    assert "values sum to a prediction" in verdict and "no chosen set" in verdict and "too few sequences" in verdict
    small = replace(few, measured=few.measured[list(range(12))])
    found = audit(small)
    assert found.coalitions.state != HOLDS
    with pytest.raises(SelectionError, match="Only 9"):
        audit(replace(few, measured=few.measured[list(range(9))]))


def test_what_others_have_measured_is_held_against_the_sum(honest: Evidence) -> None:
    own = honest.measured[honest.measured.masks.any(axis=1)]
    found = audit(replace(honest, measured=own, finished=False)).sums
    assert found.state == UNKNOWN and "others have, and it is off by" in found.says
    assert all(item.measured is not None and not item.own for item in found.worths)


def test_divergences_have_a_sum_of_their_own(honest: Evidence) -> None:
    measured = honest.measured
    apart = Measurements(measured.masks, (measured.losses - measured.dense) / 2, np.zeros_like(measured.dense))
    found = audit(replace(honest, divergences=apart)).sums
    assert found.state == HOLDS and [item.worth for item in found.worths] == ["score", "log_score", "kl"]
    assert found.worths[2].measured == pytest.approx(found.worths[1].measured / 2)


def test_what_is_no_number_differs() -> None:
    assert difference([1.0, np.inf], [1.0, np.inf]) == 0
    assert difference([1.0, np.nan], [1.0, np.nan]) == difference([1.0], [1.0, 2.0]) == np.inf
    assert difference([1.0, np.inf], [1.0, 2.0]) == np.inf
    assert difference([1.0, 2.0], [1.0, 4.0]) == 0.5
