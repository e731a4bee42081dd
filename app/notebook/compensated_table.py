"""The plans that are best after compensation, as a cell gets them."""

from functools import partial

import pandas as pd

from app.notebook.sessions import work
from cache.database import Database
from cache.queries import StoredRun
from core.coalitions.players import names
from core.errors import SelectionError
from core.records.mends import Compensate, CompensatedPlan, CompensatedPlans
from core.records.plans import Selection
from core.selection.targets import Target


def check(database: Database, run: StoredRun, how: Compensate, units: float, nested: bool) -> None:
    """Refuses what cannot be compensated, before anything is searched."""
    if nested:
        raise SelectionError("Nested plans are not compensated.", "Leave out nested or compensate.")
    from core.run.compensating.finalists_judged import check_finalists  # with torch

    work(database, "lend", partial(check_finalists, spec=run.resolved, how=how, units=units))


def compensated_table(
    database: Database,
    run: StoredRun,
    found: Selection,
    how: Compensate,
    target: Target,
    most: int | None,
    units: float | None,
) -> pd.DataFrame:
    """A row for the plan of each count that a target asks for, the fewest removed first.

    Args:
        database: keeps what is found.
        run: whose search it is.
        found: what the search found.
        how: what is fitted.
        target: which plans are wanted.
        most: plans of so many players at most.
        units: compute after which no further finalist is begun; None: no bound.

    Raises:
        QuorumError: before any fit if the request is wrong; TargetMissed where no plan reaches the target.
    """
    from core.run.compensating.compensated_choice import choosing_compensated  # with torch

    asked = partial(choosing_compensated, run=run.run, game=run.game, spec=run.resolved, found=found)
    chosen: tuple[CompensatedPlans, tuple[CompensatedPlan, ...]]
    _, chosen = work(database, "lend", partial(asked, how=how, target=target, most=most, units=units))
    judged, plans = chosen
    table = pd.DataFrame(
        {
            "count": plan.count,
            "removed": tuple(map(str, names(judged.model.players, plan.removed))),
            "plain": plan.plain,
            "perplexity": plan.perplexity,
            "low": plan.low,
            "high": plan.high,
            "ratio": plan.perplexity / found.dense_perplexity,
            "cuts": len(plan.cuts),
        }
        for plan in plans
    )
    table.attrs |= {"basis": str(judged.protocol), "fitted": str(judged.fitted), "finalists": len(judged.judged)}
    return table
