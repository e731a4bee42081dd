"""What the literature's one-shot criteria say of the players of a run, in the form in which it is stored and shown."""

from dataclasses import dataclass

from core.records.spec import Protocol


@dataclass(frozen=True)
class Scores:
    """A score of every player by every criterion; the least go first. Each is in a unit of its own (`criteria`)."""

    protocol: Protocol
    by_method: dict[str, tuple[float, ...]]  # the criterion's name -> a score for each player
