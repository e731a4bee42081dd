"""What each step after a cut gave: compensation, training."""

from dataclasses import dataclass, fields

from core.records.mends import HEALS, Compensation, Heal, Healing
from core.records.spec import TextProtocol


@dataclass(frozen=True)
class Treatment:
    """An export that changed weights: perplexities on text that none of its steps has seen."""

    protocol: TextProtocol
    whole: float  # the whole model's
    cut: float  # without the players, before anything was changed
    compensation: Compensation | None
    healing: Healing | None
    perplexity: float  # after all of it
    heal: Heal | None = None  # what of the training was asked for, without its text; None of earlier releases

    def steps(self) -> tuple[tuple[str, float], ...]:
        """The whole model and each step that changed anything, in words, with the perplexity after it."""
        fitted, healed = self.compensation, self.healing
        fitted = fitted if fitted is not None and fitted.accepted else None
        healed = healed if healed is not None and healed.kept.step else None
        found = [("whole model", self.whole), ("after the cut", self.cut)]
        if fitted is not None:
            words = f"after {fitted.how} at {fitted.accepted} of {len(fitted.cuts)} cuts"
            found.append((words, healed.before if healed is not None else self.perplexity))
        if healed is not None:
            found.append((f"after {healed.kept.step} steps of training", self.perplexity))
        return tuple(found)

    def __str__(self) -> str:
        """On which texts all of it was done."""
        fitted, healed = self.compensation, self.healing
        parts = [f"measured on {self.protocol}"]
        if fitted is not None:
            parts.append(f"{fitted.how} fitted on {fitted.fitted}")
        if healed is not None:
            parts.append(f"trained for {healed.steps} steps on {healed.text}, tokens {healed.tokens}{self._settings()}")
        return "; ".join(parts)

    def _settings(self) -> str:
        """What of the training was asked for otherwise than usual."""
        heal, usual = self.heal, HEALS["short"]
        if heal is None or self.healing is None:
            return ""
        named = [field.name for field in fields(Heal) if field.name not in ("steps", "corpus", "instructions")]
        other = [f"{name} {getattr(heal, name)}" for name in named if getattr(heal, name) != getattr(usual, name)]
        if not heal.epochs and heal.steps != self.healing.steps:
            other.insert(0, f"stopped before {heal.steps}")
        return f" ({', '.join(other)})" if other else ""
