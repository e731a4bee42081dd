"""Ours and its rivals side by side: each chooses on the calibration text, and all are judged on text none has seen."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from core.baselines.compensated.published import check_methods, published, remembering
from core.baselines.compensated.refitted import check_model, refitted
from core.baselines.contest import Contest
from core.baselines.criteria import check_plain_weights
from core.baselines.table import RIVALS
from core.coalitions.masks import removed, without
from core.compensation.compensate import check_asked
from core.errors import SelectionError
from core.evaluate.game import Game
from core.evaluate.perplexity import perplexity
from core.pauses import Pause, nothing
from core.records.events import Event, Stage
from core.records.mends import CompensatedPlan
from core.records.plans import METHODS, OURS, Comparison, MethodResult, methods_for
from core.records.spec import RunSpec
from core.records.storage import Store
from core.selection.plan import explore, keep_measured, measured, metered, stages
from core.selection.targets import Request
from core.text.windows import Windows


@dataclass(frozen=True)
class Match:
    """Who is compared, at which numbers of removed players (ascending), with how much compute for those that search."""

    methods: tuple[str, ...]
    counts: tuple[int, ...] | None  # None takes 10, 20, 30 and 40 % of the players
    units: float = 1.0
    compensate: str = "none"  # or scale, refit or logits: show every choice after it, too
    fit: int | None = None  # calibration windows to fit on; None takes as many as 12,288 tokens give

    @property
    def fits(self) -> bool:
        """Whether anything is fitted."""
        return self.compensate != "none" or any(METHODS[name].mends for name in self.methods if name in METHODS)

    def check(self, players: Sequence[str], kind: str) -> tuple[int, ...]:
        """The counts, or SelectionError: for players of a kind."""
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown:
            raise SelectionError(f"There is no method {', '.join(unknown)}.", f"Methods: {', '.join(METHODS)}.")
        without = [name for name in self.methods if name not in methods_for(kind)]
        if without:
            raise SelectionError(
                f"{', '.join(without)} cannot choose among players of the kind {kind}: hidden states are taken "
                "before and after whole blocks, and between the halves of a block there may be none.",
                f"Leave it out, or use --players block. Methods: {', '.join(methods_for(kind))}.",
            )
        if self.fits:
            check_asked(kind, self.fit)
        elif self.fit is not None:
            raise SelectionError(
                "Windows to fit on are named, and nothing is fitted.", "Ask for a compensation: refit, scale or logits."
            )
        everyone = len(players)
        counts = self.counts or tuple(sorted({max(1, round(share * everyone)) for share in (0.1, 0.2, 0.3, 0.4)}))
        for count in counts:
            Request(self.units, count).check(everyone)
        return tuple(sorted(counts))


def compare(
    store: Store,
    base: Game,
    game: Game,
    judge: Game,
    match: Match,
    spec: RunSpec,
    between: Pause = nothing,
    fit: Windows | None = None,
) -> Generator[Event, None, Comparison]:
    """Lets each method choose, and measures its plans on the text of `judge`.

    Args:
        store, base, game, between: as of `selection.plan.plan`.
        judge: on sequences that no method and no fit has seen.
        match, spec: who is compared how, and the request for the model and its text.
        fit: sequences for all that is fitted; None where nothing is.

    Raises:
        QuorumError: before any evaluation if a method cannot choose here, or a choice not be compensated.
    """
    counts = match.check(base.loaded.info.players, spec.players)
    if any(METHODS[name].by_weights for name in match.methods):
        check_plain_weights(base.loaded)
    check_methods(base.loaded, match.methods)
    if match.compensate != "none" and fit is not None:
        check_model(base.loaded, fit, match.compensate)
    jury = metered(store, judge, (len(judge.windows.ids),), between=between)
    whole = jury.losses(jury.whole[None], jury.stages[-1])[0]
    results = []
    for name in match.methods:
        yield Stage(f"{name} chooses")
        parts = stages(len(base.windows.ids), len(game.windows.ids))
        meter = metered(store, game, parts, divergences=METHODS[name].by_divergence, between=between)
        if name == OURS:
            request = Request(match.units, counts[-1])
            search = yield from explore(game, meter, len(base.windows.ids), request, spec.seed)
            plans = {count: removed(search.best[count]) for count in counts}
        else:
            contest = Contest(base.loaded, base.windows.ids, meter, counts, spec.seed, units=match.units, keep=between)
            if METHODS[name].mends and fit is not None:
                contest = replace(contest, fit=fit.ids)
                contest = remembering(contest, store, name, base.windows.protocol, fit.protocol, between)
            plans = RIVALS[name](contest)
        yield Stage(f"Judging {name}")
        masks = [without(meter.players, plans[count]) for count in counts if count in plans]
        unit = meter.unit(len(base.windows.ids))
        found = measured(base.loaded, jury, masks) if masks else ()  # it may keep so many that no count is left
        after: tuple[CompensatedPlan, ...] = ()
        if match.compensate != "none" and fit is not None:
            after = yield from refitted(store, base.loaded, fit, judge.windows, found, match.compensate, between)
        if METHODS[name].mends and fit is not None:
            own = (plan.removed for plan in found)
            texts = base.windows.protocol, fit, judge.windows
            found = yield from published(store, contest, name, *texts, whole, own, between)
        compute = meter.coalitions, meter.tokens, meter.plain / unit, meter.spent / unit
        results.append(MethodResult(name, found, *compute, compensated=after))
    # Beside the run's own plans, on the text that all chose on: kept for whoever draws them.
    yield Stage("Measuring all choices on the run's text")
    keep_measured(store, base, {plan.removed for result in results for plan in result.plans}, between)
    return Comparison(
        base.loaded.info,
        base.windows.protocol,
        judge.windows.protocol,
        perplexity(whole),
        tuple(results),
        match.compensate,
        fit.protocol if fit is not None else None,
    )
