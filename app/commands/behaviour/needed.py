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
from core.errors import TaskError
from core.records.behaviour.needs import ADAPTED, TaskNeeds
from core.records.events import Event
from core.records.mends import Compensate
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
    plans: Sequence[int] | None,
    fit: int | None = None,
) -> Generator[Event, None, list[TaskNeeds]]:
    """What tasks need, and what the run's text needs over the same coalitions; it is kept. For `Engine.lend`.

    Args:
        store: keeps every answer.
        games: opens the model.
        database: the store's, and the run's.
        run: whose coalitions answer.
        questions: the tasks and their items; or of ADAPTED.
        value: its kind.
        answers: margin or accuracy.
        masks: of the run's coalitions; None takes all.
        pairs: the interaction of pairs, if any is asked for.
        plans: sizes of plans, of which the run has its own; None: those of its last search, if there was one.
        fit: windows that each compensation is fitted on where a task is one of ADAPTED; None: as many as are usual.

    Raises:
        QuorumError: before any forward if the request is wrong; what was answered stays in any case.
    """
    from core.attribution.named_values import layer_values
    from core.run.compensating.adapted_needs import adapted_needs  # with torch
    from core.tasks.needing import Estimates, checking, needing

    if plans is None:
        searched = queries.last_selection(database, run.run)
        plans = [plan.count for plan in searched.plans] if searched is not None else []
    measured = evaluations.measurements(database, run)
    same = measured[_some(measured.masks, masks, run.spec.seed)]
    same.check_enough()
    # scale changes projections of every layer, and what cannot be changed is said before anything is fitted.
    adapted = sorted((name for name in questions.tasks if name in ADAPTED), reverse=True)
    _check_adapted(adapted, plans, fit)
    own = dict(zip(plans, plans_of(database, run, plans), strict=True))
    protected = queries.find_selection(database, run.run).protected if plans else ()
    wanted = Estimates(value, answers, run.strata, pairs)
    spec = located(run.resolved)
    others = replace(questions, tasks=tuple(name for name in questions.tasks if name not in adapted))
    text = layer_values(same, value, LOG_SCORE.name, run.strata, run.spec.seed)
    found: dict[str, TaskNeeds] = {}

    def keep(some: Sequence[TaskNeeds]) -> None:
        every = [replace(one, text=text) for one in some]
        found.update({one.task: one for one in every})
        _keep(database, run.run, every)

    if adapted and others.tasks:
        yield from checking(store, games, spec, others, answers)
    for name in adapted:
        compensated = partial(adapted_needs, store, games, spec=spec, game=run.game, how=Compensate(name, fit))
        keep([(yield from compensated(masks=same.masks, wanted=replace(wanted, worth=LOG_SCORE.name)))])
    if others.tasks or not adapted:
        asked = partial(needing, store, games, spec, others, same.masks)
        keep((yield from asked(wanted=wanted))[1])
        if own:  # which asks sets that nobody has measured, and may give no numbers: all that is known by then stays
            keep((yield from asked(wanted=replace(wanted, plans=own, protected=protected)))[1])
    return [found[name] for name in questions.tasks]


def _check_adapted(adapted: Sequence[str], plans: Sequence[int], fit: int | None) -> None:
    """TaskError for what the run's text after a compensation, or nothing but that, can be asked."""
    if len(set(adapted)) < len(adapted):
        raise TaskError(f"{adapted[0]} is asked for twice.", "Name it once.")
    if adapted and plans:
        how = adapted[0]
        raise TaskError(
            f"The text after {how} has plans of its own.",
            f"Find them with select --compensate {how}; leave out --plans.",
        )
    if fit is not None and not adapted:
        raise TaskError("Windows to fit on are given, and no compensation.", f"Ask for {' or '.join(ADAPTED)}.")


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
