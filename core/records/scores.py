"""What the literature's one-shot criteria say of the players of a run, in the form in which it is stored and shown."""

from dataclasses import dataclass
from typing import Any

from core.records.spec import Protocol


@dataclass(frozen=True)
class Scores:
    """A score of every player by every criterion; the least go first. Each is in a unit of its own (`criteria`)."""

    protocol: Protocol
    by_method: dict[str, tuple[float, ...]]  # the criterion's name -> a score for each player

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Scores":
        """The scores that `dataclasses.asdict` wrote, also after a trip through JSON."""
        by_method = {method: tuple(scores) for method, scores in fields["by_method"].items()}
        return cls(Protocol(**fields["protocol"]), by_method)
