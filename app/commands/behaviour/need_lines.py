"""What tasks need, in lines of text."""

from collections.abc import Iterator, Mapping, Sequence

from app.cli.pair_lines import pair_line, pair_rows
from core.records.behaviour.needs import TaskNeeds
from core.records.values import LayerValues

_PAIRS = 10  # of each task; --json has all


def lines(
    kind: str,
    label: Sequence[int | str],
    columns: Mapping[str, LayerValues],
    found: Sequence[TaskNeeds],
    alike: Sequence[Sequence[float]],
) -> list[str]:
    """Tables of layers, of how alike their ranks are, of pairs and of plans.

    Args:
        kind: of value.
        label: of the layers.
        columns: values of the layers for the text, and for each task.
        found: what was found of each task.
        alike: rank correlations of the columns.
    """
    text, *_ = columns
    widths = [max(len(name), 9) for name in columns]

    def row(first: object, cells: Sequence[str]) -> str:
        return f"{first!s:>16}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))

    rows = [
        row(name, [f"{values.values[layer].value:.4f}" for values in columns.values()])
        for layer, name in enumerate(label)
    ]
    return [
        f"{kind} value of every layer, over {found[0].masks} coalitions; {text}: nats a token of the log score",
        *(f"{one.task}: {one.worth}; halves of the items agree on ranks at {one.halves:.2f}" for one in found),
        row("layer", list(columns)),
        *rows,
        "rank correlations of the layers",
        *(row(name, [f"{value:.2f}" for value in some]) for name, some in zip(columns, alike, strict=True)),
        *(line for one in found for line in (*_pairs(one, label), *_plans(one, label))),
    ]


def _pairs(one: TaskNeeds, label: Sequence[int | str]) -> Iterator[str]:
    if one.pairs is not None:
        yield f"{one.pairs.kind} interactions in {one.task}, strongest first; 90 % interval for what was not measured"
        yield from map(pair_line, pair_rows(one.pairs, label)[:_PAIRS])


def _plans(one: TaskNeeds, label: Sequence[int | str]) -> Iterator[str]:
    """Each plan beside the run's own; the whole model's items are the same ones."""
    for place, plan in enumerate(one.plans):
        if place == 0:
            yield (
                f"plans for {one.task}, chosen on {plan.chosen_on} items, and judged on the other {plan.judged_on}"
                f" beside the run's own; {one.answers} ± its standard error; the whole model's is {plan.whole}"
            )
        ours, own = (",".join(str(label[layer]) for layer in some) for some in (plan.removed, plan.of_run))
        yield f"-{ours}: {plan.worth}; the run's -{own}: {plan.worth_of_run}; difference {plan.difference}"
