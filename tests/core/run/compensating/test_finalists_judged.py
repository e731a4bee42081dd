"""Finalists after compensation: on which windows, against plain transformers; stopped and asked again."""

import math
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cache import queries
from cache.behaviour import compensated_rows
from cache.database import Database
from cache.store import Store
from core.errors import EvaluationError, TargetMissed
from core.records.events import Stage
from core.records.mends import Compensate, CompensatedPlan, CompensatedPlans
from core.records.plans import Selection
from core.records.spec import RunSpec
from core.run.compensating import finalists_judged
from core.run.compensating.compensated_choice import choosing_compensated
from core.run.compensating.finalists_judged import judging_finalists
from core.run.engine import Engine
from core.selection.targets import Request, Target
from tests.support.finished import Finished

HOW = Compensate("refit", 24)


@pytest.fixture
def run(spec: RunSpec, finished: Finished, cache_file: Path) -> queries.StoredRun:
    """A finished run with a search, in float32."""
    finished(replace(spec, dtype="float32"))
    database = Database(cache_file)
    found = queries.find_run(database, "latest")
    list(Engine(Store(database)).select(found.run, found.game, found.resolved, Request(0.2, most=4)))
    return found


def ended(steps: Generator[Any, None, Any]) -> tuple[Any, list[str]]:
    """What work returns, and the stages that it told of."""
    told: list[str] = []
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return end.value, told
        told += [event.text] if isinstance(event, Stage) else []


def search_of(run: queries.StoredRun, cache_file: Path) -> Selection:
    return queries.find_selection(Database(cache_file), run.run)


def judging(run: queries.StoredRun, cache_file: Path, *counts: int, units: float | None = None) -> Any:
    found = search_of(run, cache_file)
    asked = partial(judging_finalists, run=run.run, game=run.game, spec=run.resolved, found=found, how=HOW)
    return Engine(Store(Database(cache_file))).lend(partial(asked, counts=counts, units=units))


def measured(model: torch.nn.Module, windows: torch.Tensor) -> list[float]:
    """The mean loss of each window by plain transformers."""
    with torch.inference_mode():
        return [model(input_ids=one[None], labels=one[None], use_cache=False).loss.item() for one in windows]


def test_nothing_judges_that_was_fitted_on(
    run: queries.StoredRun, cache_file: Path, tiny: Path, text_file: Path
) -> None:
    judged: CompensatedPlans = ended(judging(run, cache_file, 2))[0]
    tokens = AutoTokenizer.from_pretrained(tiny)(text_file.read_text(), add_special_tokens=False)["input_ids"]
    half = torch.tensor(tokens[: len(tokens) // 2])
    windows = half[: len(half) // 16 * 16].view(-1, 16)
    windows = windows[torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))]
    own = judged.protocol.sequences
    assert judged.protocol == search_of(run, cache_file).protocol and judged.fitted.sequences == 24
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    layers = list(model.model.layers)
    assert len(judged.judged) > 1
    for plan in judged.judged:
        model.model.layers = torch.nn.ModuleList(
            layer for place, layer in enumerate(layers) if place not in plan.removed
        )
        losses, held = measured(model, windows[:own]), measured(model, windows[own + 24 - judged.held : own + 24])
        assert plan.plain == pytest.approx(math.exp(np.mean(losses)), rel=1e-4)
        assert plan.cuts[0].before == pytest.approx(np.mean(held), rel=1e-4)
        assert plan.low <= plan.perplexity <= plan.high
        assert any(cut.accepted for cut in plan.cuts) or plan.perplexity == plan.plain


def test_stopped_after_any_finalist_it_goes_on_and_ends_the_same(run: queries.StoredRun, cache_file: Path) -> None:
    whole = ended(judging(run, cache_file, 1, 2, 3))[0]
    database = Database(cache_file)
    for done in (1, 4):
        with database.writing() as connection:
            connection.execute("DELETE FROM compensated")
        steps = judging(run, cache_file, 1, 2, 3)
        for event in steps:
            known = Store(database).compensated(run.run, (), "refit", whole.protocol.tokens)
            if isinstance(event, Stage) and known is not None and len(known.judged) == done:
                steps.close()
                break
        again, told = ended(judging(run, cache_file, 1, 2, 3))
        assert again == whole
        assert sum("finalist" in text for text in told) == len(whole.judged) - done
    again, told = ended(judging(run, cache_file, 1, 2, 3))
    assert again == whole and not any("finalist" in text for text in told)


def test_a_budget_bounds_all_but_the_plans_of_the_search(run: queries.StoredRun, cache_file: Path) -> None:
    few = ended(judging(run, cache_file, 2, 3, units=1e-9))[0]
    found = search_of(run, cache_file)
    assert [plan.removed for plan in few.judged] == [plan.removed for plan in found.plans if plan.count in (2, 3)]
    assert few.spent > 0 and few.best() == few.judged
    more = ended(judging(run, cache_file, 2, 3))[0]
    assert len(more.judged) > 2 and more.spent > few.spent
    assert [min(own.perplexity for own in more.judged if own.count == best.count) for best in more.best()] == [
        best.perplexity for best in more.best()
    ]


def test_a_limit_is_for_what_is_left_after_it(run: queries.StoredRun, cache_file: Path) -> None:
    found = search_of(run, cache_file)
    asked = partial(choosing_compensated, run=run.run, game=run.game, spec=run.resolved, found=found, how=HOW)
    engine = Engine(Store(Database(cache_file)))
    every, best = ended(engine.lend(partial(asked, target=Target())))[0]
    assert [plan.count for plan in best] == [1, 2, 3, 4] and best == every.best()
    ratios = [plan.perplexity / found.dense_perplexity for plan in best]
    for limit in (*(ratio + 1e-9 for ratio in ratios), min(ratios) / 2):
        target = Target(max_increase=limit - 1)
        plain = max((plan.count for plan in target.within(found)), default=1)
        # What one finds by hand: from the largest plain one on while it holds, or back to the first that holds.
        on = [count for count in range(plain, 5) if max(ratios[plain - 1 : count]) <= limit]
        back = [count for count in range(1, plain) if ratios[count - 1] <= limit]
        if on or back:
            assert ended(engine.lend(partial(asked, target=target)))[0][1] == (best[(on or back)[-1] - 1],)
        else:
            with pytest.raises(TargetMissed, match="after refit, either"):
                ended(engine.lend(partial(asked, target=target)))
    few, _ = ended(engine.lend(partial(asked, target=Target(), most=2)))[0]
    assert {plan.count for plan in few.judged} == {1, 2}


def test_a_plan_that_a_fit_harms_does_not_hide_smaller_ones(
    run: queries.StoredRun, cache_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = search_of(run, cache_file)
    costs = {plan.count: found.dense_perplexity * (1 + 0.1 * plan.count) for plan in found.plans}
    rising = replace(found, plans=tuple(replace(plan, perplexity=costs[plan.count]) for plan in found.plans))

    def harmed(*_: Any, counts: Any, **__: Any) -> Generator[Any, None, CompensatedPlans]:
        yield from ()
        plans = [plan for plan in rising.plans if plan.count in counts]
        each = (CompensatedPlan(plan.removed, plan.perplexity, 1.05 * plan.perplexity, 1, 9, ()) for plan in plans)
        return CompensatedPlans(found.model, (), "refit", found.protocol, found.protocol, 6, tuple(each))

    monkeypatch.setattr("core.run.compensating.compensated_choice.judging_finalists", harmed)
    monkeypatch.setattr("core.run.compensating.compensated_choice.check_finalists", lambda *_, **__: iter(()))
    asked = partial(choosing_compensated, run=run.run, game=run.game, spec=run.resolved, found=rising, how=HOW)
    for limit, count in ((0.2, 1), (0.3, 2), (0.31, 2), (0.37, 3)):
        _, [chosen] = ended(asked(None, None, target=Target(max_increase=limit)))[0]
        assert chosen.count == count, limit
    with pytest.raises(TargetMissed):
        ended(asked(None, None, target=Target(max_increase=0.11)))


def test_fits_on_other_windows_and_larger_searches_take_nothing_away(run: queries.StoredRun, cache_file: Path) -> None:
    first = ended(judging(run, cache_file, 1, 2))[0]
    found, store = search_of(run, cache_file), Store(Database(cache_file))
    engine = Engine(store)
    asked = partial(judging_finalists, run=run.run, game=run.game, spec=run.resolved)
    other = ended(engine.lend(partial(asked, found=found, counts=[2], how=Compensate("refit", 40))))[0]
    assert other.fitted.tokens != first.fitted.tokens and other.judged
    again, told = ended(judging(run, cache_file, 1, 2))
    assert again == first and not any("finalist" in text for text in told)
    swapped = replace(found, plans=(found.plans[0], replace(found.plans[1], removed=other_than(first))))
    more = ended(engine.lend(partial(asked, found=swapped, counts=[2], how=HOW)))[0]
    assert more.of(other_than(first)) is not None, "three older finalists do not keep a search's plan out"
    list(engine.select(run.run, run.game, run.resolved, Request(1.0, most=4)))
    larger = search_of(run, cache_file)
    assert larger.protocol.tokens != found.protocol.tokens, "it judges on other windows"
    assert not compensated_rows.of_search(Database(cache_file), run.run, larger)
    assert compensated_rows.of_search(Database(cache_file), run.run, found)


def other_than(judged: CompensatedPlans) -> tuple[int, ...]:
    """A pair of layers that was not judged."""
    return next(pair for pair in combinations(range(8), 2) if judged.of(pair) is None)


def test_a_finalist_without_numbers_is_left_out(
    run: queries.StoredRun, cache_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = next(plan for plan in search_of(run, cache_file).plans if plan.count == 2)
    measured = finalists_judged.check_finite

    def no_number(loaded: Any, ids: Any, mask: np.ndarray, losses: Any) -> None:
        if not mask[list(plan.removed)].any():
            raise EvaluationError("The loss is not a number.", "Use another model.")
        measured(loaded, ids, mask, losses)

    monkeypatch.setattr(finalists_judged, "check_finite", no_number)
    judged, told = ended(judging(run, cache_file, 2))
    assert "Left out: The loss is not a number." in told
    assert judged.judged and judged.of(plan.removed) is None
