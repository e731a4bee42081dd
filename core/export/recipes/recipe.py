"""Which layers of which model are removed, and how that was found: what does an export again, anywhere."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from core import __version__
from core.coalitions.players import indexes, mask_without, names, players_of
from core.errors import ExportError
from core.paths import own_name
from core.records.mends import Compensate, FourBits, Heal
from core.records.results import RunResult
from core.records.spec import ModelInfo, RunSpec

COMMAND = "python -m app export --recipe FILE --out DIR"
# The option by which somebody agrees to a model that generates without a cache alone.
UNCACHED = "--uncached"


@dataclass(frozen=True)
class Recipe:
    """An export that can be done again."""

    spec: RunSpec  # of the run that found it: names the model and the text
    fingerprint: str  # of the model
    layers: int  # of the model
    removed: tuple[str, ...]  # players, by name
    run: str
    compensate: Compensate | None = None  # what is fitted after they are gone, anew each time
    heal: Heal | None = None  # what is trained after that, anew each time
    gguf: bool = False  # whether a GGUF file is written beside
    trained: str = ""  # fingerprint of the tokens that it was trained on, where it was
    bits: FourBits | None = None  # how the folder is rounded after that

    @classmethod
    def of(cls, result: RunResult, spec: RunSpec, removed: Sequence[int]) -> "Recipe":
        """The recipe of players, by their places in a mask, that were chosen with a run."""
        model = result.model
        return cls(
            spec, model.fingerprint, model.layers, tuple(model.players[place] for place in sorted(removed)), result.run
        )

    def check(self, model: ModelInfo) -> None:
        """Raises ExportError if `model` is another one than that of the recipe."""
        if model.fingerprint != self.fingerprint:
            raise ExportError(
                f"The model {model.source} has changed since run {self.run} measured it, or is another one: its "
                f"fingerprint is {model.fingerprint}, not {self.fingerprint}.",
                "Name the model that was measured, or start a run of this one.",
            )

    def check_players(self, players: Sequence[str]) -> None:
        """Raises ExportError if a model with these players is another one, and SelectionError if all would go."""
        if tuple(players) != players_of(self.layers, self.spec.players, self.spec.protect):
            raise ExportError(
                f"The model {self.spec.model} is another one than that of the recipe, which has {self.layers} layers.",
                "Name the model that was measured: --model.",
            )
        mask_without(players, self.removed)

    @property
    def named_heal(self) -> Heal | None:
        """What is trained, with the names of its text's and instructions' files alone."""
        heal = self.heal
        return heal and replace(heal, corpus=own_name(heal.corpus), instructions=own_name(heal.instructions))

    def text(self, model: ModelInfo, **measured: object) -> str:
        """The file, as JSON, with the model and what was measured, for whoever reads it.

        Models and texts of this machine go by the names of their folder and file: where those lie is nobody's business.
        """
        spec = replace(self.spec, model=own_name(self.spec.model), corpus=own_name(self.spec.corpus))
        entries = {
            "quorum": __version__,
            "model": asdict(replace(model, source=own_name(model.source))),
            "removed": names(model.players, indexes(model.players, self.removed)),
            "run": self.run,
            "found_by": asdict(spec),
            **({"compensate": asdict(self.compensate)} if self.compensate else {}),
            **({"heal": asdict(self.named_heal)} if self.named_heal else {}),
            **measured,
            "command": COMMAND,
        }
        return json.dumps(_told(entries), indent=2, allow_nan=False) + "\n"


def _told(value: Any) -> Any:
    """The same with null for what is no finite number, which JSON has none of: a training may diverge."""
    if isinstance(value, dict):
        return {name: _told(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_told(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def recipe(result: RunResult, spec: RunSpec, removed: Sequence[int]) -> str:
    """What was removed from which model, how that was found, and the command that does it again, as JSON."""
    measured = {"protocol": asdict(result.protocol), "dense_perplexity": result.dense_perplexity}
    return Recipe.of(result, spec, removed).text(result.model, **measured)
