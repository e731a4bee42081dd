"""What else a run's models are asked than perplexity: tasks, which layers those need, how often they agree."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.notebook.given import Players, names_of
from cache import queries
from cache.database import Database

if TYPE_CHECKING:
    import pandas as pd

    from app.notebook.behaviour.need_tables import Needs


class AskedRun:
    """A run in a results file, by its name."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self.name = database, name

    def tasks(self, tasks: Sequence[str] | str, remove: Players = (), **items: Any) -> "pd.DataFrame":
        """Accuracy on lm-eval's tasks of the whole model and of that without some players.

        `items` are `data` (a folder of JSON lines; the Hub without it), `limit` (of each task) and `shots`.
        """
        from app.notebook.behaviour.task_table import task_table

        return task_table(self._database, self._stored().resolved, tasks, [(), names_of(remove)], **items)

    def needs(
        self,
        tasks: Sequence[str] | str,
        *,
        value: str = "shapley",
        answers: str = "margin",
        masks: int | None = None,
        pairs: str | None = None,
        plans: Sequence[int] | int = (),
        **items: Any,
    ) -> "Needs":
        """Which layers tasks need, by the run's coalitions, beside the run's text; every answer is kept.

        Args:
            tasks: of lm-eval, by name; sums; or refit or scale: the run's own text once the rest is compensated.
            value: stratified, shapley, banzhaf or local.
            answers: what a coalition is worth: margin, or accuracy.
            masks: of the run's coalitions; None takes all.
            pairs: also interactions of pairs: shapley, faithful, banzhaf or local.
            plans: also a set of each of these sizes that each task is thought to miss least, beside the last search's.
            items: as of `tasks`; and `fit`, windows that each compensation is fitted on.
        """
        from app.notebook.behaviour.need_tables import need_tables

        return need_tables(self._database, self._stored(), tasks, value, answers, masks, pairs, plans, **items)

    def agreement(self, *remove: Players, windows: int | None = None) -> "pd.DataFrame":
        """How near the predictions of smaller models are to the whole one's on unseen text, a row for each removal.

        Args:
            remove: players, as often as there are removals; none takes every plan of the last search.
            windows: of unseen text; None takes four times as many as the run has.
        """
        from app.notebook.behaviour.agreement_table import agreement_table

        return agreement_table(self._database, self._stored(), [names_of(some) for some in remove], windows)

    def _stored(self) -> queries.StoredRun:
        return queries.find_run(self._database, self.name)
