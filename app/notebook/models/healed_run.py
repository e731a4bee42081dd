"""What is written of a run: its model without some players, and that trained a little after the cut."""

from dataclasses import replace
from os import PathLike

from app.notebook import answers
from app.notebook.behaviour.asked_run import AskedRun
from app.notebook.given import Players, at_least_one, compensation_of, heal_of, path_of
from app.notebook.sessions import work
from core.coalitions.players import indexes, mask_without
from core.errors import RunNotFound
from core.export.recipes.recipe import Recipe
from core.records.mends import usual_recipe
from core.records.results import RunResult


class HealedRun(AskedRun):
    """A run in a results file, whose smaller models can be trained."""

    def heal(
        self,
        remove: Players,
        out: str | PathLike[str],
        *,
        steps: int | None = None,
        rate: float | None = None,
        recipe: str | None = None,
        corpus: str | PathLike[str] = "",
        instructions: str | PathLike[str] = "",
        distil: float = 0.0,
        temperature: float = 1.0,
        compensate: str = "none",
        fit: int | None = None,
        finish: bool = False,
    ) -> answers.HealedModel:
        """Trains what is left without some players (LoRA by peft, merged), and writes it as `export` does.

        Interrupted or killed, the same call goes on from the last state, to the same bytes.

        Args:
            remove: players.
            out: a new folder.
            steps: of the optimiser; None: as `recipe` says.
            rate: the highest learning rate; None: as `recipe` says.
            recipe: short (64 steps of 8), or paper (2 passes in steps of 64); None: short, or paper for a run on CUDA.
            corpus: a text to train on, by name or file; without it the half of the run's own on which the run has
                measured and chosen; the export is judged on the other half.
            instructions: in its place, a file with rows of instruction, input and output: loss of the answers alone.
            distil: share of the loss, 0 to 1, that is KL from the whole model's predictions.
            temperature: by which the logits of both are divided for that.
            compensate: none, or scale, refit or logits first.
            fit: windows to fit that on; None: 12,288 tokens of them.
            finish: no more steps: writes the best state of a training that was stopped.
        """
        if recipe is None:
            recipe = usual_recipe(self._result().model.device)
        heal = heal_of(recipe, steps, rate, corpus, instructions, distil, temperature)
        fitted = compensation_of(compensate, fit)
        asked = replace(self._recipe(remove), compensate=fitted, heal=heal)
        done, _ = work(self._database, "export", asked, path_of(out, "out"), finish=bool(finish))
        return answers.healed_model(done)

    def _recipe(self, remove: Players) -> Recipe:
        """What takes some players out of the run's model; RunNotFound while the run goes on."""
        from app.requests import located

        result, run = self._result(), self._stored()
        if run.status != "finished":
            raise RunNotFound(f"Run {run.run} is {run.status}, not finished.", "Finish it first: start it again.")
        places = indexes(result.model.players, at_least_one(remove))
        mask_without(result.model.players, places)
        found = Recipe.of(result, run.resolved, places)
        return replace(found, spec=located(found.spec))

    def _result(self) -> RunResult:
        run = self._stored()
        if run.result is None:
            raise RunNotFound(f"Run {run.run} is {run.status} and has found nothing yet.", "Start it again to go on.")
        return run.result
