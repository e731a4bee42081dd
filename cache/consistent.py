"""Whether a record is one of its model: players that there are, masks over them, one number for each of them.

Records of a results file may come from anybody; whoever draws or measures them takes places in masks as they are.
"""

import math
from collections.abc import Iterable, Sequence

from core.coalitions.players import check
from core.coalitions.worth import LOG_SCORE
from core.records.behaviour.mended import MendedLosses, ScaledPath
from core.records.behaviour.needs import ADAPTED, ANSWERS, TaskNeeds
from core.records.behaviour.speeds import Speed
from core.records.behaviour.treatments import Treatment
from core.records.behaviour.writes import Behaviour
from core.records.diagnostics import Diagnostics
from core.records.mends import COMPENSATIONS, CompensatedPlans
from core.records.plans import Comparison, Plan, Scores, Selection
from core.records.results import RunResult
from core.records.spec import ModelInfo
from core.records.values import PairInteractions


def check_record(record: object) -> None:
    """ValueError that says what of a record is not of its own model; other records than those of players pass."""
    match record:
        case ModelInfo():
            check(record.players, record.layers)
            _check_places(record.attention, record.layers, "a layer of attention")
        case RunResult():
            check_record(record.model)
            _check_result(record, len(record.model.players))
        case Selection():
            check_record(record.model)
            players = len(record.model.players)
            _check_places(record.protected, players, "a protected player")
            if not record.plans:
                raise ValueError("a search without a plan")
            _check_plans((*record.plans, *record.nested), players)
        case Comparison():
            check_record(record.model)
            players = len(record.model.players)
            _check_plans((plan for method in record.methods for plan in method.plans), players)
            if record.compensation not in COMPENSATIONS:
                raise ValueError(f"a compensation {record.compensation[:40]!r}")
            for after in (plan for method in record.methods for plan in method.compensated):
                _check_removed(after.count, after.removed, players)
        case CompensatedPlans():
            check_record(record.model)
            players = len(record.model.players)
            _check_places(record.protected, players, "a protected player")
            for plan in record.judged:
                _check_removed(plan.count, plan.removed, players)
        case Diagnostics():
            for scores in (record.scores, *(held.scores for held in record.predicted)):
                if len(scores) != len(record.masks):
                    raise ValueError(f"{len(scores)} scores of {len(record.masks)} masks")


def check_players(record: object, players: Sequence[str]) -> None:
    """ValueError where a record, consistent in itself, is not of a game with these players."""
    model = getattr(record, "model", None)
    if isinstance(model, ModelInfo) and model.players != tuple(players):
        raise ValueError(f"{len(model.players)} players that are not the {len(players)} of its game")
    match record:
        case Scores():
            for name, scores in record.by_method.items():
                _check_count(scores, len(players), f"scores by {name}")
        case Diagnostics():
            for mask in record.masks:
                check_mask(mask, len(players))


def check_trait(record: object, players: Sequence[str], mask: str) -> None:
    """ValueError where what was measured of a model with the players of a mask is not of it, or is incomplete."""
    match record:
        case Behaviour():
            check_players(record, players)
            if record.removed != tuple(place for place, there in enumerate(mask) if there == "0"):
                raise ValueError(f"texts of a model without {record.removed}")
        case Speed():
            batches = len(record.protocol.batches)
            for count in (len(record.speedups), len(record.whole.paces), len(record.smaller.paces)):
                if count != batches or not batches:
                    raise ValueError(f"{count} timings of {batches} batches")
        case MendedLosses():
            _check_count(record.losses, record.protocol.sequences, "losses after a compensation")
            if not all(map(math.isfinite, record.losses)):
                raise ValueError("losses after a compensation that are no numbers")
        case ScaledPath():
            _check_places(record.players, len(players), "a removed player")
            _check_count(record.scales, len(record.players), "scales of a path")
            if not all(0 < scale < math.inf for scale in record.scales):
                raise ValueError("scales of a path that are no positive numbers")
        case Treatment():
            _check_treatment(record)


def check_needs(needs: TaskNeeds, players: int) -> None:
    """ValueError where what a task needs is not of so many players."""
    for values in (needs.values, needs.text):
        if values is not None and [item.layer for item in values.values] != list(range(players)):
            raise ValueError(f"what {needs.task[:40]!r} needs of other players than its own")
    if needs.answers not in ((LOG_SCORE.name,) if needs.task in ADAPTED else ANSWERS):
        raise ValueError(f"answers that are worth {needs.answers[:40]!r}")
    _check_pairs(needs.pairs, players)
    for plan in needs.plans:
        for removed in (plan.removed, plan.of_run):
            _check_removed(plan.count, removed, players)
        means = (plan.whole, plan.worth, plan.worth_of_run, plan.difference)
        if plan.judged_on < 1 or not all(math.isfinite(mean.value) and 0 <= mean.error < math.inf for mean in means):
            raise ValueError(f"a plan of {plan.count} that was judged by no numbers")


def check_mask(mask: str, players: int) -> None:
    """ValueError for what is no mask over so many players."""
    if len(mask) != players or mask.strip("01"):
        raise ValueError(f"{mask[:100]!r} is no mask over {players} players")


def _check_treatment(record: Treatment) -> None:
    """Perplexities of what is left may be infinite, where it is ruined."""
    healed = record.healing
    readings = () if healed is None else tuple(reading.perplexity for reading in healed.readings)
    if healed is not None and not readings:
        raise ValueError("a training without a reading")
    left = (record.cut, record.perplexity, *(() if healed is None else (healed.before, *readings)))
    if not 0 < record.whole < math.inf or not all(perplexity > 0 for perplexity in left):
        raise ValueError("an export with perplexities that are no positive numbers")


def _check_result(result: RunResult, players: int) -> None:
    _check_places(result.strata, players + 1, "a number of kept players", least=1)
    for stratum in (None, *result.strata):
        layers = [item.layer for item in result.contributions if item.stratum == stratum]
        if layers != list(range(players)):
            raise ValueError(f"contributions of other players than the model's {players}")
    _check_pairs(result.interactions, players)
    if result.layer_parameters:
        _check_count(result.layer_parameters, players, "numbers of parameters")
    for mask in result.added or ():
        check_mask(mask, players)
    for learnt in result.learnt:
        for kernel in (learnt.kernel, *learnt.fifths):
            _check_count(kernel, players + 2, "numbers of a kernel")


def _check_pairs(found: PairInteractions | None, players: int) -> None:
    for pair in found.pairs if found is not None else ():
        _check_places((pair.first, pair.second), players, "a player of a pair")
        if pair.first == pair.second:
            raise ValueError(f"a pair of player {pair.first} with itself")


def _check_plans(plans: Iterable[Plan], players: int) -> None:
    for plan in plans:
        _check_removed(plan.count, plan.removed, players)


def _check_removed(count: int, removed: Sequence[int], players: int) -> None:
    _check_places(removed, players, "a removed player")
    if not 0 < len(removed) < players or count != len(removed):
        raise ValueError(f"a plan of {count} that removes {len(removed)} of {players} players")


def _check_places(places: Sequence[int], beyond: int, what: str, least: int = 0) -> None:
    wrong = next((place for place in places if not least <= place < beyond), None)
    if wrong is not None:
        raise ValueError(f"{wrong} is {what}, where there are {least} to {beyond - 1}")
    if len(set(places)) < len(places):
        raise ValueError(f"{what} is named twice")


def _check_count(numbers: Sequence[object], wanted: int, what: str) -> None:
    if len(numbers) != wanted:
        raise ValueError(f"{len(numbers)} {what}, where there are {wanted}")
