"""What is known of a model without some players beside its perplexity, in the form in which it is stored and shown."""

from dataclasses import dataclass, field

from core.records.behaviour.mended import MendedLosses, ScaledPath
from core.records.behaviour.speeds import Speed
from core.records.behaviour.task_scores import TaskScore
from core.records.behaviour.treatments import Treatment
from core.records.behaviour.writes import Behaviour, Predicts

Trait = Predicts | Behaviour | Speed | TaskScore | MendedLosses | ScaledPath | Treatment
KINDS: dict[str, type[Trait]] = {
    "predicts": Predicts,
    "writes": Behaviour,
    "speed": Speed,
    "task": TaskScore,
    "mended": MendedLosses,
    "path": ScaledPath,
    "treated": Treatment,
}


@dataclass(frozen=True)
class Traits:
    """All of that of one model; of each kind by the words of how it was measured (`measured_by`), the newest last."""

    predicts: dict[str, Predicts] = field(default_factory=dict)
    writes: dict[str, Behaviour] = field(default_factory=dict)
    speed: dict[str, Speed] = field(default_factory=dict)
    task: dict[str, TaskScore] = field(default_factory=dict)
    mended: dict[str, MendedLosses] = field(default_factory=dict)
    path: dict[str, ScaledPath] = field(default_factory=dict)
    treated: dict[str, Treatment] = field(default_factory=dict)

    @property
    def judgement(self) -> Behaviour | None:
        """The verdict on its writing by the longest texts, the newest of two: loops take a while to show."""
        return max(reversed(self.writes.values()), key=lambda one: one.tokens, default=None)

    @property
    def faster(self) -> Speed | None:
        """The last timing of one text at a time."""
        return next((speed for speed in reversed(self.speed.values()) if speed.single is not None), None)


def kind_of(trait: Trait) -> str:
    """The name of its kind."""
    return next(name for name, kind in KINDS.items() if isinstance(trait, kind))


def measured_by(trait: Trait) -> str:
    """How it was measured, in words: two figures of a kind compare only where these are equal."""
    match trait:
        case Predicts():
            return str(trait.protocol)
        case Behaviour():
            return f"{len(trait.prompts)} prompts, {trait.tokens} tokens each; {trait.predicts.protocol}"
        case Speed():
            batches = ", ".join(map(str, trait.protocol.batches))
            return f"{trait.device}, {trait.threads} threads, {trait.protocol}, {batches} texts at a time"
        case TaskScore():
            return (
                f"{trait.task} {trait.version}, {trait.split}, {trait.shots}-shot, {trait.items} items of "
                f"{trait.source}, {trait.digest}"
            )
        case MendedLosses() | ScaledPath():
            return trait.measured_by
        case Treatment():
            return str(trait)
