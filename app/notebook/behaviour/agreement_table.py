"""How near smaller models' predictions are to the whole one's, as a cell gets it."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from app.notebook.given import integer_of
from app.notebook.sessions import work
from app.requests import located
from cache import queries
from cache.database import Database
from core.coalitions.players import indexes, names


def agreement_table(
    database: Database, run: queries.StoredRun, removals: Sequence[Sequence[str]], windows: int | None
) -> pd.DataFrame:
    """A row for each removal; the table's `attrs` say of which text, and which last words the whole model finds.

    Args:
        database: keeps what is found.
        run: names the model and its text.
        removals: players by name; none takes every plan of the last search.
        windows: of unseen text; None takes four times as many as the run has.

    Raises:
        QuorumError: before any forward if the request is wrong.
    """
    if windows is not None:
        windows = integer_of(windows, "windows")
    players = queries.players(database, run)
    gone = [indexes(players, some) for some in removals]
    gone = gone or [plan.removed for plan in queries.find_selection(database, run.run).plans]
    from core.writing.predicting import predicting  # with torch

    asked = partial(predicting, spec=located(run.resolved), removals=gone, windows=windows)
    _, (model, found) = work(database, "lend", asked)
    table = pd.DataFrame(
        {
            "removed": list(names(model.players, removed)),
            "top1": one.agreement.top1.value,
            "top1_error": one.agreement.top1.error,
            "kl_50": one.agreement.kl_50,
            "kl_90": one.agreement.kl_90,
            "kl_99": one.agreement.kl_99,
            "kl_999": one.agreement.kl_999,
            "words": one.pruned_words.value,
            "words_error": one.pruned_words.error,
        }
        for removed, one in zip(gone, found, strict=True)
    )
    table.attrs |= {"basis": str(found[0].protocol), "whole_words": found[0].whole_words.value}
    return table
