"""The commands that estimate from what a run has measured: values of layers, and interactions of pairs."""

import argparse
from dataclasses import asdict

from app.cli.opening import asked_run, database_of, engine_on
from app.cli.pair_lines import pair_line, pair_rows
from app.cli.terminal import follow, say
from app.words import labels
from cache import evaluations, queries
from cache.basis import Basis, asked, counted
from cache.database import Database
from core.coalitions.measurements import Measurements
from core.coalitions.players import both_halves
from core.coalitions.worth import DIVERGENCES, WORTHS
from core.errors import SelectionError
from core.records.values import VALUES, LayerValues, PairInteractions

# A smaller share of extrapolation is not worth a line.
_NOTICEABLE = 0.005


def values(options: argparse.Namespace) -> None:
    """One kind of value of every layer, from the run's coalitions, or from all that is measured of its game."""
    from core.attribution.named_values import check_kind, layer_values

    check_kind(options.value, VALUES, options.worth)
    if options.check and options.value != "shapley":
        raise SelectionError("Only Shapley values can be checked by shap.", "Use --value shapley --check.")
    database = database_of(options)
    run = asked_run(database, options)
    measured = _worths(database, run, options.worth)
    found = layer_values(measured, options.value, options.worth, run.strata, run.spec.seed, run.kept)
    label = labels(queries.players(database, run))
    rows = [{**asdict(item), "layer": label[item.layer]} for item in found.values]
    rests = counted(database, asked(database, run), WORTHS[options.worth].measured)
    answer = {"run": run.run, **asdict(found), "values": rows, "basis": asdict(rests)}
    lines = [
        f"{found.kind} value of {found.worth}, least first; 90 % interval for what was not measured",
        *_basis(found, rests),
    ]
    lines += [
        f"{label[item.layer]:>5} {item.value:9.4f} {item.low:9.4f} {item.high:9.4f}"
        for item in sorted(found.values, key=lambda item: item.value)
    ]
    if options.check and found.surrogate is None:
        raise SelectionError("Every coalition was measured, so that these values are exact.", "Leave --check out.")
    if options.check:
        from core.attribution.check_by_shap import shapley_check

        check = shapley_check(measured, options.worth, run.spec.seed, run.kept)
        answer["check"] = asdict(check)
        how = f"estimated from {check.orders} sampled orders" if check.orders else "exact"
        lines.append(
            f"shap, asked for the Shapley values of the same surrogate ({how}), differs by "
            f"{check.largest_difference:.4f} at most; the largest value is {check.largest_value:.4f}, the rank "
            f"correlation {check.spearman:.4f}"
        )
    say(options.json, answer, "\n".join(lines))


def interactions(options: argparse.Namespace) -> None:
    """The interaction of every pair of players, the strongest first; and of each block's attention and its MLP."""
    from core.attribution.named_values import pair_interactions

    database = database_of(options)
    run = asked_run(database, options)
    measured = _worths(database, run, options.worth)
    found = pair_interactions(measured, options.value, options.worth, run.spec.seed, run.kept)
    label = labels(players := queries.players(database, run))
    pairs = pair_rows(found, label)
    by_places = {(pair.first, pair.second): row for pair, row in zip(found.pairs, pairs, strict=True)}
    halves = [{"layer": block, **by_places[places]} for block, places in both_halves(players).items()]
    rests = counted(database, asked(database, run), WORTHS[options.worth].measured)
    lines = [
        f"{found.kind} interactions in {found.worth}, strongest first; 90 % interval for what was not measured",
        *_basis(found, rests),
    ]
    lines += map(pair_line, pairs[: options.top])
    if halves:
        lines += ["", "each block's attention with its MLP", *map(pair_line, halves)]
    answer = {"run": run.run, **asdict(found), "pairs": pairs, "halves": halves, "basis": asdict(rests)}
    say(options.json, answer, "\n".join(lines))


def _worths(database: Database, run: queries.StoredRun, worth: str) -> Measurements:
    """What a worth is made of; KL is measured when it is first asked for."""
    if WORTHS[worth].measured == DIVERGENCES and evaluations.lacks_divergences(database, run):
        follow(engine_on(database).diverge(run.game, run.resolved))
    return evaluations.measured_for(database, run, worth)


def _basis(found: LayerValues | PairInteractions, rests: Basis) -> list[str]:
    """What an estimate rests on."""
    fit = found.surrogate
    if fit is None:
        return [f"exact: every coalition has been measured ({rests})"]
    lines = [f"by a surrogate ({rests})"]
    lines += [f"{fit.name}: R2 of the {WORTHS[found.worth].label} {fit.r2:.3f} on {fit.masks} masks it has not seen"]
    if found.extrapolated > _NOTICEABLE:
        lines.append(
            f"extrapolated: {found.extrapolated:.0%} of it rests on numbers of kept layers that were never measured"
        )
    return lines
