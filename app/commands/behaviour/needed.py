"""Which layers tasks need, by a run's coalitions: asked, set beside the run's text, and kept."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

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
from core.records.values import LayerValues

if TYPE_CHECKING:
    from core.tasks.answering import Questions

TEXT = "text"  # the run's own, whose worth is the log score


def needed(
    database: Database,
    run: queries.StoredRun,
    questions: "Questions",
    lend: Callable[[Callable[..., Any]], Any],
    *,
    value: str,
    answers: str,
    masks: int | None,
    pairs: str | None,
    plans: Sequence[int],
) -> list[TaskNeeds]:
    """What tasks need, and what the run's text needs over the same coalitions; it is kept.

    Args:
        database: holds the run.
        run: whose coalitions answer.
        questions: the tasks and their items.
        lend: lets an engine do what needs its store and its models, and gives what comes of it.
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
    asked = partial(needing, spec=located(run.resolved), questions=questions, masks=same.masks)
    _, found = lend(partial(asked, wanted=wanted))
    found = [replace(one, text=text) for one in found]
    if own:
        # Plans ask sets that nobody has measured, which may give no numbers: all that is known by then stays.
        known = task_needs.known(database, run.run, same.masks.shape[1])
        plans_before = {(one.task, one.answers): one.plans for one in known if one.values.kind == value}
        kept = [replace(one, plans=plans_before.get((one.task, one.answers), ())) for one in found]
        Store(database).record_needs(run.run, kept)
        _, found = lend(partial(asked, wanted=replace(wanted, plans=own, protected=protected)))
        found = [replace(one, text=text) for one in found]
    Store(database).record_needs(run.run, found)
    return list(found)


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
