"""Which layers tasks need, by a run's coalitions: asked, set beside the run's text, and kept."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from app.commands.behaviour.task_commands import plans_of
from app.requests import located
from cache import evaluations, queries
from cache.behaviour import task_needs
from cache.database import Database
from cache.store import Store
from core.coalitions.masks import Masks, encode
from core.coalitions.ranks import rank_correlations
from core.coalitions.worth import LOG_SCORE
from core.records.behaviour.needs import TaskNeeds
from core.records.events import Event
from core.records.values import LayerValues

if TYPE_CHECKING:
    from core.evaluate.game import Games
    from core.records.storage import Store as Kept
    from core.tasks.answering import Questions

TEXT = "text"  # the run's own, whose worth is the log score


def needed(
    store: "Kept",
    games: "Games",
    *,
    database: Database,
    run: queries.StoredRun,
    questions: "Questions",
    value: str,
    answers: str,
    masks: int | None,
    pairs: str | None,
    plans: Sequence[int],
) -> Generator[Event, None, list[TaskNeeds]]:
    """What tasks need, and what the run's text needs over the same coalitions; it is kept. For `Engine.lend`.

    Args:
        store: keeps every answer.
        games: opens the model.
        database: the store's, and the run's.
        run: whose coalitions answer.
        questions: the tasks and their items.
        value: its kind.
        answers: margin or accuracy.
        masks: of the run's coalitions; None takes all.
        pairs: the interaction of pairs, if any is asked for.
        plans: sizes of plans, of which the run has its own.

    Raises:
        QuorumError: before any forward if the request is wrong; what was answered stays in any case.
    """
    from core.attribution.named_values import layer_values
    from core.tasks.needing import Estimates, needing  # with torch

    measured = evaluations.measurements(database, run)
    same = measured[_some(measured.masks, masks, run.spec.seed)]
    same.check_enough()
    own = dict(zip(plans, plans_of(database, run, plans), strict=True))
    protected = queries.find_selection(database, run.run).protected if plans else ()
    wanted = Estimates(value, answers, run.strata, pairs)
    text = layer_values(same, value, LOG_SCORE.name, run.strata, run.spec.seed)
    asked = partial(needing, store, games, located(run.resolved), questions, same.masks)
    _, found = yield from asked(wanted=wanted)
    found = [replace(one, text=text) for one in found]
    _keep(database, run.run, found)
    if own:  # which asks sets that nobody has measured, and may give no numbers: all that is known by then stays
        _, found = yield from asked(wanted=replace(wanted, plans=own, protected=protected))
        found = [replace(one, text=text) for one in found]
        _keep(database, run.run, found)
    return list(found)


def _keep(database: Database, run: str, found: Sequence[TaskNeeds]) -> None:
    """Keeps what was found, and what was found earlier of the same and is not asked for now."""
    before = {_subject(one): one for one in task_needs.known(database, run, len(found[0].values.values))}
    Store(database).record_needs(run, [_with_more(one, before.get(_subject(one))) for one in found])


def _subject(needs: TaskNeeds) -> tuple[object, ...]:
    """What needs are of: pairs and plans found earlier belong to them where all of this is the same."""
    task = needs.task, needs.version, needs.shots, needs.split, needs.items, needs.source
    return *task, needs.answers, needs.masks, needs.values.kind


def _with_more(needs: TaskNeeds, before: TaskNeeds | None) -> TaskNeeds:
    """The same with what was found earlier and is not asked for now."""
    if before is None:
        return needs
    plans = {plan.count: plan for plan in (*before.plans, *needs.plans)}
    return replace(needs, pairs=needs.pairs or before.pairs, plans=tuple(plans[count] for count in sorted(plans)))


def columns(found: Sequence[TaskNeeds]) -> dict[str, LayerValues]:
    """Values of layers for the text first, then for each task."""
    first, *_ = found
    assert first.text is not None
    return {TEXT: first.text, **{one.task: one.values for one in found}}


def alike(found: Sequence[TaskNeeds]) -> list[list[float]]:
    """Rank correlations of the layers by each two of those columns."""
    every = [np.array([item.value for item in values.values]) for values in columns(found).values()]
    return rank_correlations(every)


def _some(masks: Masks, count: int | None, seed: int) -> list[int]:
    """The rows of so many masks in an order of their own, which stays as it is when more are measured."""
    order = sorted(range(len(masks)), key=lambda row: sha256(f"{seed} {encode(masks[row])}".encode()).digest())
    return sorted(order[:count])
