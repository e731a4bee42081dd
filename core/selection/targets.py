"""What a search is asked for, and which of its plans is meant by a target."""

from dataclasses import dataclass, replace

from core.errors import SelectionError, TargetMissed
from core.records.plans import Plan, Selection

ACCEPTED = 0.2  # how much worse a perplexity may be before somebody says what they accept, as a share


@dataclass(frozen=True)
class Request:
    """What a search is asked for."""

    units: float = 1.0  # of compute: SLEB's path to two fifths of the layers is 1
    most: int | None = None  # layers to remove; None takes half of them
    protected: tuple[int, ...] = ()
    earlier: bool = False  # begin with what was measured of the model on other texts

    def reaching(self, target: "Target", layers: int) -> "Request":
        """The request for plans of as many counts as the target needs, all settled.

        Raises:
            SelectionError: a request or a target that a model of so many layers cannot have.
        """
        most, count = self.check(layers), target.removed(layers)
        if count is None:
            return replace(self, most=most)
        replace(self, most=count).check(layers)
        return replace(self, most=max(most, count))

    def after(self, found: Selection | None) -> "Request | None":
        """What is left to search for, no less than what was, after a search; None where it found all of it.

        Of a request that says how many layers it goes up to, as `reaching` gives it. One that begins with other texts
        is made anew where the last one did not.
        """
        if found is None:
            return self
        have, most = (found.units, len(found.plans)), self.most or 0
        wanted = max(found.units, self.units), max(len(found.plans), most)
        fresh = wanted != have or (self.earlier and not found.earlier)
        return replace(self, units=wanted[0], most=wanted[1]) if fresh else None

    def check(self, layers: int) -> int:
        """The largest number of layers to remove, or SelectionError."""
        unknown = [layer for layer in self.protected if not 0 <= layer < layers]
        if unknown:
            raise SelectionError(
                f"These layers cannot be protected: {', '.join(map(str, unknown))}.",
                f"The model has layers 0 to {layers - 1}.",
            )
        free = layers - len(set(self.protected))
        most = min(layers // 2, free, layers - 1) if self.most is None else self.most
        if not 1 <= most <= min(free, layers - 1):
            raise SelectionError(
                f"{most} of {layers} players cannot be removed while {layers - free} are protected.",
                f"Remove 1 to {min(free, layers - 1)}, or protect fewer.",
            )
        if not 0 < self.units < float("inf"):
            raise SelectionError(f"A budget of {self.units} units cannot be spent.", "Use --units 1, or more or less.")
        return most


def usual_units(found: Selection | None) -> float:
    """The budget of a search that nobody names: that of the last one, whose plans are at hand, or one unit."""
    return 1.0 if found is None else found.units


@dataclass(frozen=True)
class Target:
    """How much to remove; one of these, or none of them for the plans of every count."""

    count: int | None = None  # players
    ratio: float | None = None  # share of the players, rounded
    parameters: int | None = None  # that the model may have left
    max_increase: float | None = None  # of perplexity, as a share of the whole model's

    def removed(self, players: int) -> int | None:
        """The number of players to remove, if the target says it without measuring."""
        if self.ratio is not None:
            return round(self.ratio * players)
        return self.count

    def choose(self, selection: Selection) -> tuple[Plan, ...]:
        """The plan for this target, or all of them.

        Raises:
            SelectionError: no search went up to so many players.
            TargetMissed: no plan reaches it; the nearest one is named.
        """
        plans = selection.plans
        count = self.removed(len(selection.model.players))
        if count is not None:
            found = [plan for plan in plans if plan.count == count]
            nearest = f"There are plans for 1 to {plans[-1].count} removed players."
        elif self.parameters is not None:
            found = [plan for plan in plans if plan.parameters <= self.parameters][:1]
            nearest = f"The smallest plan leaves {min(plan.parameters for plan in plans):,} parameters."
        elif self.max_increase is not None:
            found = list(self.within(selection)[-1:])
            least = min(plan.perplexity for plan in plans) / selection.dense_perplexity - 1
            nearest = f"The least increase of any plan is {least:.1%}."
        else:
            return plans
        if not found:
            missed = SelectionError if count is not None else TargetMissed
            raise missed("No plan reaches this target.", nearest)
        return tuple(found)

    def within(self, selection: Selection) -> tuple[Plan, ...]:
        """The plans whose perplexity does not rise by more than is asked for; all where nothing is."""
        most = float("inf") if self.max_increase is None else self.max_increase
        return tuple(plan for plan in selection.plans if plan.perplexity <= (1 + most) * selection.dense_perplexity)
