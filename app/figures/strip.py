"""Removals of layers -> strips: a square for each layer, coloured by its contribution, crossed out where it is gone.

Pages and the report draw the same squares; those of Preview are buttons, which `switches` dresses alike.
"""

from collections.abc import Collection, Mapping, Sequence
from html import escape

from app.figures.charts import ORANGE, VERMILION, channels, mixed
from app.words import named
from core.records.results import RunResult

_CROSS = (
    "linear-gradient(to top right,transparent 46%,#D55E00 46%,#D55E00 54%,transparent 54%),"
    "linear-gradient(to bottom right,transparent 46%,#D55E00 46%,#D55E00 54%,transparent 54%)"
)
_MANY = 24  # squares that have a row of a laptop's screen to themselves as wide as they like
_SQUARE = (
    "box-sizing:border-box;min-width:1.9em;height:1.9em;padding:0 .2em;border:1px solid #888;border-radius:.3em;"
    "text-align:center;font-size:.85rem;line-height:1.8em"
)


def strip(
    removed: Sequence[int],
    result: RunResult,
    name: str = "",
    *,
    named_only: Collection[int] | None = None,
    framed: Collection[int] = (),
) -> str:
    """A strip as HTML that needs nothing else; a screen reader is told in words.

    Args:
        removed: the layers that are crossed out.
        result: of the run.
        name: what stands before the strip.
        named_only: the layers whose names are written; all, if it is None.
        framed: the layers with a frame.
    """
    players = result.model.players
    narrow = len(players) > _MANY
    squares = "".join(
        _square(
            players[layer],
            colour,
            gone=layer in removed,
            narrow=narrow,
            written=named_only is None or layer in named_only,
            framed=layer in framed,
        )
        for layer, colour in enumerate(shades(result))
    )
    gone = named(players, removed)
    told = f"{f'{name}: ' if name else ''}{len(players)} layers, {f'without {gone}' if gone else 'none removed'}"
    head = f"<span style='min-width:9em;padding-right:.5em'>{escape(name)}</span>" if name else ""
    return (
        f"<div role='img' aria-label='{escape(told)}' style='display:flex;flex-wrap:wrap;gap:3px;align-items:center;"
        f"margin:.25rem 0'>{head}{squares}</div>"
    )


def strip_drawing(removed: Sequence[int], result: RunResult) -> str:
    """A strip as SVG, in one row."""
    players = result.model.players
    wide, high = max(28, 8 + 7 * max(map(len, players))), 28
    squares = []
    for layer, (name, colour) in enumerate(zip(players, shades(result), strict=True)):
        x, gone = layer * (wide + 3), layer in removed
        fill, ink = ("none", "#000") if gone else (colour, _ink(colour))
        squares.append(f'<rect x="{x}" width="{wide}" height="{high}" rx="4" fill="{fill}" stroke="#888"/>')
        if gone:
            cross = f"M{x} 0l{wide} {high}m-{wide} 0l{wide} -{high}"
            squares.append(f'<path d="{cross}" stroke="{VERMILION}" stroke-width="2"/>')
        place = f'x="{x + wide / 2:g}" y="{high / 2:g}" text-anchor="middle" dominant-baseline="central"'
        squares.append(f'<text {place} fill="{ink}">{escape(name)}</text>')
    seen = f'viewBox="-1 -1 {len(players) * (wide + 3) - 1} {high + 2}" font-family="sans-serif" font-size="11"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {seen}>{"".join(squares)}</svg>\n'


def strips(removals: Mapping[str, Sequence[int]], result: RunResult, *, differing: bool = False) -> str:
    """A strip for each named removal, the first on top.

    With `differing`, what not all of them remove is framed, and what all of them keep has no name written on it.
    """
    of_any, of_all = set[int]().union(*removals.values()), set(range(len(result.model.players)))
    of_all.intersection_update(*removals.values())
    framed, named_only = (of_any - of_all, of_any) if differing else ((), None)
    return "".join(
        strip(removed, result, name, named_only=named_only, framed=framed) for name, removed in removals.items()
    )


def switches(key: str, result: RunResult) -> str:
    """The style that makes of a row of Streamlit's pills, `key`, of which the kept layers are chosen, such a strip."""
    row = f".st-key-{key} [data-testid=stButtonGroup] button"
    rules = [
        f"{row}{{{_SQUARE.replace('line-height:1.8em', 'line-height:1')};min-height:0}}",
        f"{row} p{{font-size:.85rem}}",
        f"{row}[aria-pressed=false]{{background:{_CROSS};color:inherit}}",
    ]
    for place, colour in enumerate(shades(result), 1):
        kept = f"{row}:nth-of-type({place})[aria-pressed=true]"
        rules += [f"{kept}{{background:{colour};border-color:#888}}", f"{kept} p{{color:{_ink(colour)}}}"]
    return f"<style>{''.join(rules)}</style>"


def shades(result: RunResult) -> list[str]:
    """A colour for each layer: the stronger its contribution, the bluer; vermilion where the model gains without it."""
    values = [item.value for item in result.overall]
    most = max(map(abs, values), default=0.0) or 1.0
    return [mixed(value / most) for value in values]


def _square(name: str, colour: str, *, gone: bool, narrow: bool, written: bool, framed: bool) -> str:
    filled = f"background:{_CROSS}" if gone else f"background:{colour};color:{_ink(colour)}"
    title = f"layer {escape(name)}{' (removed)' if gone else ''}"
    form = _SQUARE.replace("min-width:1.9em", "min-width:1.55em") if narrow else _SQUARE
    frame = f";outline:3px solid {ORANGE};outline-offset:0;z-index:1" if framed else ""
    inside = escape(name) if written else "&nbsp;"
    return f"<span title='{title}' style='{form};{filled}{frame}'>{inside}</span>"


def _ink(colour: str) -> str:
    """Black or white, whichever is read better on a colour (WCAG 2.2, relative luminance)."""
    linear = [(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4) for part in _shares(colour)]
    return (
        "#000"
        if sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) > 0.179
        else "#FFF"
    )


def _shares(colour: str) -> list[float]:
    return [channel / 255 for channel in channels(colour)]
