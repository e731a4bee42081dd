"""The figures of the documentation are those of the benchmarks' files: each is worked out anew and looked for."""

import importlib
import json
import re
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.root import ROOT
from benchmarks import (
    accelerator,
    accuracy,
    attribution,
    cluster,
    compensation,
    four_bits,
    harness,
    healing,
    predictions,
    selection,
    towards_logits,
    trained,
)
from benchmarks.games import games

TRAINED = ("mamba", "rwkv")
MEASURED = (ROOT / "docs" / "measured.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_what_measured_them_still_starts(path: Path) -> None:
    """A benchmark is run by hand and seldom: what it takes from the product must be there."""
    importlib.import_module(f"benchmarks.{path.stem}")


def of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def said(heading: str) -> str:
    """A section of the page, without the breaks of its lines."""
    return " ".join(MEASURED.split(f"\n## {heading}\n")[1].split("\n## ")[0].split())


def tabled(page: str, table: str, first: int = 0) -> int:
    """How many lines a table has, from `first` on; all of them are in the page."""
    lines = table.splitlines()[first:]
    for line in lines:
        assert line in page, line
    return len(lines)


def short(value: float, digits: int = 3) -> str:
    """As the page writes shares: without the zero in front."""
    return re.sub(r"^0(?=\.)", "", f"{value:.{digits}f}")


def test_the_comparison_of_methods() -> None:
    """Perplexities, and compute in both ways for every method; what follows from them in words."""
    page, rows = said("Which layers each method removes"), selection.kept(ROOT / selection.OUT)
    lines = selection.table(rows).splitlines()
    assert len(lines) == 10
    for line in lines:
        assert line.split(" | ", 1)[1] in page, line
    means = {
        (row["method"], way): np.mean([other[way] for other in rows if other["method"] == row["method"]])
        for row in rows
        for way in ("shared", "plain")
    }
    full, third = (
        [means[name, way] / means["sleb", way] for way in ("shared", "plain")] for name in ("ours, 1", "ours, 0.33")
    )
    assert f"takes {full[0]:.2f} times SLEB's compute where both share prefixes and {full[1]:.2f} times" in page
    assert f"with 1/3, {short(third[0], 2)} and {short(third[1], 2)} times" in page
    one, less = (selection.summary(rows)[name] for name in ("ours, 1", "ours, 0.33"))
    assert f"{one['against SLEB']:.3f} of SLEB's perplexity, {one['against the best rival']:.3f} of the best" in page
    assert one["worst removal against the best rival"] == 1 and "at no removal worse than it" in page
    assert f"{less['against SLEB']:.3f} and {less['against the best rival']:.3f}, at worst " in page
    assert f"at worst {less['worst removal against the best rival']:.3f}" in page


def test_a_tenth_a_third_and_a_whole_unit() -> None:
    page, file = said("Which layers each method removes"), ROOT / "benchmarks" / "search_budgets.json"
    rows = selection.kept(file)
    assert sorted({row["seed"] for row in rows}) == [5, 6, 7] and len(rows) == 9
    for name, ratios in selection.over_best(rows).items():
        [line] = [line for line in selection.table(rows).splitlines() if line.startswith(f"| {name} |")]
        cells = " / ".join(f"{100 * (ratios[count] - 1):.1f}" for count in selection.COUNTS)
        overall = selection.geometric(np.array(list(ratios.values())))
        assert f"{line} {cells} | {100 * (overall - 1):.1f} |" in page
    best = {count: min(selection.joined(row["perplexity"], count) for row in rows) for count in selection.COUNTS}
    third = [row["perplexity"] for row in rows if row["method"] == "ours, 0.33"]
    found = sum(selection.joined(one, count) == best[count] for one in third for count in selection.COUNTS)
    assert found == 6 and "finds them in six of twelve cases" in page


def test_what_the_search_loses_to_the_optimum() -> None:
    for row in selection.kept(ROOT / selection.OUT):
        if row["method"] == "ours, 1":
            above = selection.above_optimum(row["plans"])
            assert [f"{100 * above[count]:.2g}" for count in (1, 2, 3)] == ["0", "0.53", "0"]
    assert "calibration loss 0, 0.53 and 0 % above" in said("Which layers each method removes")


def test_the_models_that_are_trained() -> None:
    page, found = said("A trained Mamba and a trained RWKV"), of("trained")
    tables = [trained.table(draws(found[name]["seeds"])).splitlines() for name in TRAINED]
    assert "the whole models have " + " / ".join(lines[0].split()[1] for lines in tables) in page
    for rows in zip(*(lines[1:] for lines in tables), strict=True):
        cells = zip(*(row.strip("| ").split(" | ")[1:] for row in rows), strict=True)
        assert " | ".join(" / ".join(both) for both in cells) in page
    training = found["training"]
    for name in TRAINED:
        assert f"| {training[name]['bits a byte']:.2f} |" in page
    assert f"| {training['unigram']:.2f} / {training['bigram']:.2f} |" in page
    layers = [found[name]["layers"] for name in TRAINED]
    assert f"R² {both([of_model['surrogate']['r2'] for of_model in layers], 3)} (300" in page
    assert f"correlation of {both([of_model['spearman'] for of_model in layers], 2)}." in page


def both(values: list[float], digits: int) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


def draws(seeds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each draw gave, counts as numbers."""
    for of_method in (of_method for seed in seeds for of_method in seed["methods"].values()):
        of_method["perplexity"] = {int(count): value for count, value in of_method["perplexity"].items()}
    for of_way in (of_way for seed in seeds for of_way in seed.get("compensated", {}).values()):
        for method, plans in of_way.items():
            of_way[method] = {int(count): value for count, value in plans.items()}
    return seeds


def test_the_errors_of_values_and_of_pairs() -> None:
    page = said("Errors of Shapley values")
    for name in ("attribution", "pairs"):
        assert of(name).keys() == games(0).keys()
        tabled(page, attribution.table(of(name)))


def test_what_predictions_hold() -> None:
    page, found = said("What predictions hold"), of("predictions")
    by_size = {
        game: {budget: {int(size): row for size, row in rows.items()} for budget, rows in budgets.items()}
        for game, budgets in found.items()
    }
    tabled(page, predictions.table(by_size))


def test_seconds_of_a_coalition() -> None:
    page, found = said("A run, its parts, and the dashboard"), of("evaluation")
    half, single = (found["dtypes"][name] for name in ("bfloat16", "float32"))
    seconds = {way: (half["seconds"][way], single["seconds"][way]) for way in "ABCD"}
    assert "{:.2f} s bfloat16, {:.2f} s float32".format(*seconds["A"]) in page
    assert "plain skipping | {:.2f} s, {:.2f} s |".format(*seconds["B"]) in page
    twice = "{:.1f} and {:.1f} times faster".format(half["ratios"]["A/C"], single["ratios"]["A/C"])
    assert "ours | {:.2f} s, {:.2f} s: ".format(*seconds["C"]) + twice in page
    assert f"{found['A_float32_over_C_bfloat16']:.1f} times across dtypes" in page
    limit = "ours takes {:.2f} and {:.2f} of it".format(half["ratios"]["C/D"], single["ratios"]["C/D"])
    assert "{:.2f} s, {:.2f} s: ".format(*seconds["D"]) + limit in page
    shares = found["layer_evaluations_of_all"]["30"]
    assert " / ".join(short(shares[masks]) for masks in ("100", "300", "1000", "3000")) in page
    for of_dtype, name in ((half, "bfloat16"), (single, "float32")):
        seen = of_dtype["preview"]
        assert f"{seen['first_number']:.2f} s and {seen['whole_answer']:.1f} s in {name}" in page


def test_the_walk_beside_the_official_way() -> None:
    page, found = said("The walk beside the official way, on the device at hand"), of("accelerator")
    tabled(page, accelerator.table(found), first=1)
    small = found["shapes"]["small"]
    assert ", ".join(f"{ratio:.2f}" for ratio in small["A/C of each round"]) + " in the three rounds" in page
    assert f"by {small['largest_relative_difference_to_B']:.1e} at most" in page
    assert f"{found['dtype']}, {found['masks']} coalitions" in page


def test_what_compensation_gives_back() -> None:
    page, found = said("What compensation gives back"), of("compensation")
    assert tabled(page, compensation.table(found["rows"])) >= 3
    for way in ("refit", "scale"):
        for texts in ([0, 1, 2], [2]):
            ratio = compensation.ratio(found["rows"], ("ours", way), ("ours", "none"), texts)
            assert f"{ratio:.3f}".removeprefix("0") in page
    refitted = ("ours", "refit")
    against = [("sleb", way, texts) for way, texts in (("none", [0, 1, 2]), ("none", [2]), ("scale", [0, 1, 2]))]
    for method, way, texts in [*against, ("sleb", "refit", [0, 1, 2])]:
        assert short(compensation.ratio(found["rows"], refitted, (method, way), texts)) in page
    for seed in {row["seed"] for row in found["rows"]}:
        drawn = [row for row in found["rows"] if row["seed"] == seed]
        assert short(compensation.ratio(drawn, refitted, ("sleb", "none"), [0, 1, 2])) in page
    assert compensation.ratio(found["rows"], refitted, ("sleb", "none"), [0, 1, 2]) < 0.72
    assert f"--fit {found['fit']}" in page and f"{found['fit']} x 128 tokens" in page
    assert " / ".join(f"{value:.1f}" for value in found["dense"]) in page and found["fitted"].split()[-1] in page
    assert found["dtype"] in page


def test_rivals_that_compensate_in_their_own_way() -> None:
    page, found = said("What compensation gives back"), of("own_compensations")
    rows = [row for row in found["rows"] if row["seed"] == 0]
    tabled(page, compensation.table(rows))
    rivals = {(row["method"], way) for row in rows for way in ("scale", compensation.OWN) if way in row}
    rivals = {rival for rival in rivals if not rival[0].startswith("ours")}
    assert len(rivals) >= 6
    for ours, said_of in (("ours", "Ours with `refit` has"), ("ours, for refit", "finalists compensated it has")):
        against = [compensation.ratio(rows, (ours, "refit"), rival, [0, 1, 2]) for rival in rivals]
        assert f"{said_of} {short(max(against))} of the best rival's" in page and max(against) < 0.9
    compensated, plain = ("ours, for refit", "refit"), ("sleb", "none")
    shares = [compensation.ratio(rows, compensated, plain, texts) for texts in ([0, 1, 2], [2])]
    assert f"{short(shares[0])} of SLEB's plain perplexity ({short(shares[1])} on the novel alone)" in page
    by_draws = [
        compensation.ratio([row for row in found["rows"] if row["seed"] == seed], compensated, plain, [0, 1, 2])
        for seed in (0, 1, 2)
    ]
    every = [compensation.ratio(found["rows"], compensated, plain, texts) for texts in ([0, 1, 2], [2])]
    draws = ", ".join(map(short, by_draws[:2])) + f" and {short(by_draws[2])} by draws"
    assert f"{short(every[0])} of SLEB's plain perplexity ({draws}; {short(every[1])} on the novel alone)" in page
    assert every[0] < 0.72 and every[1] < 0.8, "what was asked for"
    over_draws = {
        rival: short(compensation.ratio(found["rows"], compensated, rival, [0, 1, 2]))
        for rival in product(("sleb", "shortgpt"), ("scale", "refit"))
    }
    loop = short(compensation.ratio(found["rows"], compensated, ("prune-comp", compensation.OWN), [0, 1, 2]))
    assert (
        f"{over_draws['sleb', 'scale']} of SLEB's with `scale`, {loop} of what Prune&Comp's loop comes to, "
        f"{over_draws['shortgpt', 'scale']} of ShortGPT's with `scale`, {over_draws['sleb', 'refit']} of SLEB's with "
        f"our `refit` and {over_draws['shortgpt', 'refit']} of ShortGPT's"
    ) in page
    assert found["fitted"].split()[-1] in page and f"--fit {found['fit']}" in page


def test_what_steps_towards_the_logits_add() -> None:
    page, found = said("What compensation gives back"), of("own_compensations")
    rows = [row for row in found["rows"] if towards_logits.WAY in row]
    by_seeds = [[row for row in found["rows"] if row["seed"] == seed] for seed in (0, 1, 2)]
    assert len(rows) == 3 * len(compensation.COUNTS)
    assert tabled(page, towards_logits.table(rows)) == len({tuple(row["removed"]) for row in rows})
    assert max(row["evaluations"] for row in rows) < 20, "what was asked for"

    def over(ours: str, way: str, some: list[dict[str, Any]], texts: list[int]) -> str:
        return short(compensation.ratio(some, ("ours, for refit", towards_logits.WAY), (ours, way), texts))

    for *against, words in (
        ("ours, for refit", "refit", "leaves {} of what `refit` leaves (geometric mean; {} by draws; {} on the novel"),
        ("sleb", "none", "is {} of SLEB's plain perplexity ({} by draws; {} on the novel alone)"),
    ):
        first, second, third = (over(*against, some, [0, 1, 2]) for some in by_seeds)
        every, novel = (over(*against, found["rows"], texts) for texts in ([0, 1, 2], [2]))
        assert words.format(every, f"{first}, {second} and {third}", novel) in page
    by_counts = [
        over("ours, for refit", "refit", [row for row in rows if row["count"] == count], [0, 1, 2])
        for count in compensation.COUNTS
    ]
    assert f"{', '.join(by_counts[:3])} and {by_counts[3]} at 3, 6, 9 and 12 removed" in page
    assert f"{over('sleb', 'scale', found['rows'], [0, 1, 2])} of SLEB's with `scale`, and on the first draw" in page
    assert f"first draw {over('evopress', 'scale', by_seeds[0], [0, 1, 2])} of the best rival's" in page


def test_what_compensation_does_to_accuracy() -> None:
    page, found = said("What compensation does to accuracy"), of("accuracy")
    tabled(page, accuracy.table(found["rows"]))
    rows = {(row["removed"], row["way"]): accuracy.shares(row) for row in found["rows"]}
    for way, task in (("refit", "lambada_openai"), ("logits", "lambada_openai"), ("logits", "boolq")):
        by_pairs = [
            "{:+.3f} ± {:.3f}".format(*accuracy.mean(rows[plan, way][task] - rows[plan, "none"][task]))
            for plan in accuracy.PLANS[1:]
        ]
        assert " and ".join(by_pairs).replace("0.", ".") in page
    assert found["fitted"].split()[-1] in page and found["dtype"] in page and f"first {found['items']} items" in page


def test_what_training_after_a_cut_gives() -> None:
    page, found = said("What training after a cut gives"), of("healing")
    assert tabled(page, healing.table(found["rows"])) >= 5
    assert {text["sequences"] for text in found["held_out"].values()} == {healing.JUDGED}
    assert found["model"]["dtype"] in page and found["text"]["tokens"] in page


def test_four_bits_before_a_cut_and_after_it() -> None:
    page, found = said("Four bits before a cut and after it"), of("four_bits")
    assert tabled(page, four_bits.table(found["rows"])) == 2 + 3 * 3
    assert f"groups of {found['group']}" in page and f"{found['fit']} x 128 tokens" in page and found["dtype"] in page
    assert found["text"].split()[-1] in page and f"first {found['items']} items of each task" in page
    rows = {(row["state"], row["library"]): row for row in found["rows"]}
    costs: dict[str, list[str]] = {four_bits.QUANTISED: [], four_bits.FIRST_CUT: [], four_bits.FIRST_BITS: []}
    for library in ("gptqmodel", "auto-round", "bitsandbytes"):
        last, first = (
            np.array(rows[one, library]["perplexity"]) for one in (four_bits.FIRST_BITS, four_bits.FIRST_CUT)
        )
        apart = np.abs(last / first - 1)
        assert apart.any() == (library == "gptqmodel")
        assert not apart.any() or f"two orders differ by {100 * apart.max():.1f} % at most" in page
        for state, told in costs.items():
            whole = rows[four_bits.WHOLE if state == four_bits.QUANTISED else four_bits.CUT, ""]
            value, error = accuracy.mean(accuracy.over_all(whole) - accuracy.over_all(rows[state, library]))
            told.append(f"{short(value)} ± {short(error)}")
    whole_costs = costs[four_bits.QUANTISED]
    assert f"{whole_costs[0]} of its accuracy by GPTQ, {whole_costs[1]} by rounding and {whole_costs[2]} by NF4" in page
    for state in (four_bits.FIRST_CUT, four_bits.FIRST_BITS):
        assert "{}, {} and {}".format(*costs[state]) in page
    faster = {
        state: [short(rows[state, library]["speedup"][0], 2) for library in ("gptqmodel", "auto-round", "bitsandbytes")]
        for state in (four_bits.QUANTISED, four_bits.FIRST_CUT)
    }
    assert "writes {}, {} and {} times as fast".format(*faster[four_bits.QUANTISED]) in page
    assert "as well {}, {} and {} times".format(*faster[four_bits.FIRST_CUT]) in page
    assert f"the cut alone gives {rows[four_bits.CUT, '']['speedup'][0]:.2f}." in page


def test_many_machines() -> None:
    page, found = said("Many machines"), of("cluster")
    tabled(page, cluster.table(found))
    costs = found["costs"]
    assert costs == asdict(cluster.COSTS)
    said_of = f"a layer {1e3 * costs['layer']:.2f} ms, a head {1e3 * costs['head']:.2f} ms"
    assert said_of in page


def test_accuracy_is_that_of_lm_eval_item_by_item() -> None:
    page, found = said("Accuracy on tasks"), of("harness")
    rows = found["rows"]
    tabled(page, harness.table(rows))
    assert not any(row["choices apart"] or row["greedy apart"] for row in rows)
    greatest = f"{max(row['greatest relative'] for row in rows):.1e}".replace("e-0", "e-")
    assert f"{greatest} relative at most" in page
    for row in rows:
        for name, (ours, theirs) in row["metrics"].items():
            assert ours == theirs or (name == "perplexity" and ours == pytest.approx(theirs, rel=1e-5))
    whole = [row["items"] for row in rows if not row["removed"]]
    assert f"{sum(whole):,} items" in page and f"the first {found['items']} items" in page
    assert f"batches of {found['batch']}" in page and found["dtype"] in page and found["lm_eval"] in page
