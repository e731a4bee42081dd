"""A run as a notebook holds it: a name in a results file; whatever is asked of it is read, estimated or measured."""

from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING

import pandas as pd

from app.notebook import answers, compensated_table
from app.notebook.given import (
    Players,
    at_least_one,
    compensation_of,
    integer_of,
    names_of,
    path_of,
    positive,
    target_of,
)
from app.notebook.models.healed_run import HealedRun
from app.notebook.sessions import work
from cache import evaluations, queries
from cache.basis import asked, counted, refitted
from core.coalitions.measurements import Measurements
from core.coalitions.players import indexes, mask_without
from core.coalitions.worth import DIVERGENCES, WORTHS
from core.records.spec import RunSpec
from core.records.values import INTERACTIONS, VALUES
from core.selection.targets import Request, usual_units

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.records.audits import Audit


class Run(HealedRun):
    """A run in a results file, finished or so far. `quorum.run` and `quorum.load` give one.

    Players are named as they are shown: "3" (or 3) is block 3, "3a" its attention, "3m" its MLP, "8-11" a group.
    """

    def __repr__(self) -> str:
        stored = self._stored()
        spec = stored.spec
        return f"<Run {self.name}: {spec.model} on {spec.corpus}, {spec.masks} masks, {stored.status}>"

    @property
    def spec(self) -> RunSpec:
        """What was asked for."""
        return self._stored().spec

    @property
    def status(self) -> str:
        """finished, running, interrupted, cancelled or failed."""
        return self._stored().status

    @property
    def players(self) -> tuple[str, ...]:
        """The names of the players, in the order of the model and of masks."""
        return queries.players(self._database, self._stored())

    @property
    def perplexity(self) -> float:
        """The whole model's on the run's sequences."""
        return self._result().dense_perplexity

    @property
    def contributions(self) -> pd.DataFrame:
        """The stratified contribution of every player: player, value, low, high, calibration.

        In units of the score PPL_dense / PPL. `low` and `high` are a 90 % interval for the doubt that comes from
        measuring some coalitions only; `calibration` is half the width of one for that of this text.
        """
        result = self._result()
        return answers.contribution_table(result.overall, result.model.players)

    def values(self, kind: str = "stratified", worth: str = "score", *, refit: bool = False) -> pd.DataFrame:
        """One kind of value of every player: player, value, low, high (90 %), in units of the worth.

        Args:
            kind: stratified, shapley, banzhaf, local, or paper.
            worth: score (PPL_dense / PPL), log_score (nats a token) or kl (which is measured first where it is not).
            refit: rest on all that is measured of the run's game, and not on the run's own coalitions. What values rest
                on is in the table's `attrs["basis"]`, in words.
        """
        from core.attribution.named_values import check_kind, layer_values

        check_kind(kind, VALUES, worth)
        run = self._asked(refit)
        found = layer_values(self._worths(run, worth), kind, worth, run.strata, run.spec.seed, run.kept)
        return self._based(answers.value_table(found, self.players), run, worth)

    def interactions(self, kind: str = "shapley", worth: str = "log_score", *, refit: bool = False) -> pd.DataFrame:
        """How pairs depend on each other, the strongest first: first, second, value, low, high (90 %), meaning.

        Args:
            kind: shapley, faithful, banzhaf or local.
            worth, refit: as of `values`.
        """
        from core.attribution.named_values import check_kind, pair_interactions

        check_kind(kind, INTERACTIONS, worth)
        run = self._asked(refit)
        found = pair_interactions(self._worths(run, worth), kind, worth, run.spec.seed, run.kept)
        return self._based(answers.interaction_table(found, self.players), run, worth)

    def predict(self, remove: Players, *, refit: bool = False) -> answers.Prediction:
        """What the surrogate expects without some players, one or more, and what each of them takes.

        Args:
            remove: players.
            refit: as of `values`.
        """
        from core.attribution.prediction import explained

        run, players = self._asked(refit), self.players
        places = indexes(players, at_least_one(remove))
        mask_without(players, places)
        found = explained(evaluations.measurements(self._database, run), places, run.spec.seed, run.kept)
        measured = evaluations.measured_without(self._database, run.game, len(players), places)
        basis = str(counted(self._database, asked(self._database, run)))
        return answers.prediction(found, players, measured[0] if measured else None, basis)

    def measure(self, remove: Players = (), *, kl: bool = False) -> answers.Measurement:
        """The perplexity without some players on the run's own sequences; it is kept, and a refit learns from it.

        Args:
            remove: players; none gives the whole model's.
            kl: also how far the predictions are from the whole model's.
        """
        run, names = self._stored(), names_of(remove)
        mask_without(self.players, names)
        found, _ = work(self._database, "measure", run.resolved, run.spec.text(), names, kl=kl)
        return answers.measurement(found)

    def select(
        self,
        count: int | None = None,
        *,
        ratio: float | None = None,
        parameters: int | None = None,
        max_increase: float | None = None,
        protect: Players = (),
        most: int | None = None,
        units: float | None = None,
        nested: bool = False,
        compensate: str = "none",
        earlier: bool = False,
    ) -> pd.DataFrame:
        """Searches for the best players to remove; a search that was as large is not made again.

        Args:
            count, ratio, parameters, max_increase: one target, or none for the plans of every count: players to remove,
                a share of them, the parameters to leave at most, the rise of perplexity at most (.05 is 5 %).
            protect: players that stay.
            most: plans of 1 to so many players; None is half of them.
            units: compute; 1 is SLEB's path to two fifths of the layers. None: what the last search had, or 1.
            nested: instead, plans of which each holds the one before.
            compensate: scale, refit or logits takes the plans that are best after it, of a few finalists of each count.
            earlier: begins with what was measured of this model on other texts.

        Returns:
            count, removed, parameters, perplexity, low, high, ratio, ratio_low, ratio_high, source, uncached; the
            fewest first. `uncached` is True where a hybrid would lose its last attention, and generate with no cache.
            With `compensate` count, removed, plain (perplexity without it), perplexity, low, high, ratio and cuts.
        """
        run, players = self._stored(), self.players
        target = target_of(count, ratio, parameters, max_increase)
        protected = indexes(players, names_of(protect))
        found = queries.selection(self._database, run.run, protected)
        compute = usual_units(found) if units is None else units
        positive(compute, "units")
        upto = None if most is None else integer_of(most, "most")
        request = Request(float(compute), upto, protected, earlier).reaching(target, len(players))
        how, left = compensation_of(compensate), request.after(found)
        if how is not None:
            compensated_table.check(self._database, run, how, request.units, nested)
        if left is not None:
            done, _ = work(self._database, "select", run.run, run.game, run.resolved, left)
            found = done.selection
        assert found is not None
        if how is not None:
            return compensated_table.compensated_table(self._database, run, found, how, target, upto, units)
        plans = found.nested if nested else target.choose(found)
        return pd.DataFrame(answers.plan_rows(plans, found.model))

    def export(
        self, remove: Players, out: str | PathLike[str], *, compensate: str = "none", gguf: bool = False
    ) -> answers.ExportedModel:
        """Writes the model without some players as a new folder that plain transformers loads, and measures it.

        `compensate` is none, scale, refit or logits: weights beside each cut are changed, fitted on calibration text.
        With `gguf`, a file for llama.cpp is written beside: its converter must be installed.
        """
        recipe = replace(self._recipe(remove), compensate=compensation_of(compensate), gguf=gguf)
        done, _ = work(self._database, "export", recipe, path_of(out, "out"))
        return answers.exported_model(done)

    def audit(self) -> "Audit":
        """Each claim of the run held against what was measured; takes seconds, and measures nothing."""
        from app.audited import audited

        return audited(self._database, self._stored())

    def plot(self) -> "Figure":
        """The contributions as bars with their intervals, as a Plotly figure."""
        from app.contributions.bars import contribution_bars
        from app.foreign import untagged

        result = self._result()
        title = {"text": untagged(str(result.protocol)), "font": {"size": 12}}
        return contribution_bars(result).figure.update_layout(title=title, margin_t=50)

    def _asked(self, refit: bool) -> queries.StoredRun:
        return refitted(self._database, self._stored()) if refit else self._stored()

    def _based(self, table: pd.DataFrame, run: queries.StoredRun, worth: str) -> pd.DataFrame:
        """A table that says what it rests on."""
        rests = counted(self._database, asked(self._database, run), WORTHS[worth].measured)
        table.attrs["basis"] = str(rests)
        return table

    def _worths(self, run: queries.StoredRun, worth: str) -> Measurements:
        """What a worth is made of; KL is measured when it is first asked for."""
        if WORTHS[worth].measured == DIVERGENCES and evaluations.lacks_divergences(self._database, run):
            work(self._database, "diverge", run.game, run.resolved)
        return evaluations.measured_for(self._database, run, worth)
