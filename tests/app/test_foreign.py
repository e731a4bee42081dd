"""Foreign text as text: its Markdown, read by a parser of its own, holds words and code and nothing else."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from markdown_it import MarkdownIt
from plotly.subplots import make_subplots

from app.figures.charts import Chart
from app.foreign import code, plain

HOSTILE = [
    "![x](http://evil.example/a.png)", "[x](http://evil.example)", "<img src=x onerror=alert(1)>", "`a`.`b` ![x](http://h/)",
    "`` `a` ![x](y)``", "a`b ![x](y) c`d", "`x`![y](z)", "1. a", "- a", "# a", "> a", "**a** _b_ ~~c~~", "http://evil.example/x",
    "www.evil.example", "a@evil.example", ":material/home: :smile: :red[a] $a^2$", "a\n\n# b\n\n![x](y)",
    "|a|b|\n|-|-|\n|c|d|",
    "&lt;b&gt; \\![x](y)", "[x]: http://evil.example", "+ a", "=== ", "---", "(`a` ![x](y)`b`)", "\u202egnp.exe",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("frame", ["{}", "**{}**", "before {}: after", "a\n\n{}"])
def test_nothing_but_words_and_code(text: str, frame: str) -> None:
    for made in (plain(text), code(text)):
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(frame.format(made))
        inner = [child for token in tokens for child in token.children or ()]
        kinds = {token.type for token in [*tokens, *inner]}
        assert kinds <= {
            "paragraph_open", "inline", "paragraph_close", "text", "code_inline", "strong_open",
            "strong_close", "softbreak"
        }, made  # fmt: skip
        shown = " ".join(child.content for child in inner if child.type == "text")
        assert not any(sign in shown for sign in (":m", ":s", ":r", "$", "http", "www", "@", "<")), made


def test_ordinary_words_stay_as_they_are_and_commands_stay_code() -> None:
    said = "tale.txt (calibration), 4 x 16 tokens, stride 16, no BOS. It's 1.5: fine"
    assert plain(said) == said
    assert plain("Try it (or `python -m app doctor`).") == "Try it (or `python -m app doctor`)."
    assert plain("--dtype float32") == "`--dtype` float32"


@pytest.mark.parametrize("made", [list, tuple, np.array, partial(np.array, dtype=object), pd.Series, pd.Categorical])
def test_tags_do_not_leave_a_figure(made: Callable[[list[str]], Any]) -> None:
    hostile = "<a href='http://evil.example'>x</a><br><img src=x>"
    names = made([hostile])
    bars = go.Bar(x=names, y=[1.0], text=names, customdata=[[hostile]], hovertemplate=f"{hostile}<extra></extra>")
    figure = go.Figure(bars)
    figure.update_layout(title=hostile, xaxis={"ticktext": names, "tickvals": [0]})
    figure.add_annotation(text=hostile)
    drawn = Chart(figure, "").figure.to_json()
    assert "\\u003ca" not in drawn and "\\u003cimg" not in drawn and "&lt;a" in drawn and "<a" not in drawn


def test_a_figure_without_tags_is_drawn_as_it_was() -> None:
    """Arrays of numbers among it, and axes of several charts."""
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, subplot_titles=["<b>one</b>", "two"])
    figure.add_bar(x=np.arange(3), y=np.array([0.5, np.nan, 2.0]), text=np.array(["a", "b", "c"]), row=1, col=1)
    figure.add_heatmap(z=np.eye(3, dtype=np.float32), x=["a", "b", "c"], customdata=np.ones((3, 3, 2)), row=1, col=2)
    figure.add_hline(0.5)
    drawn = Chart(figure, "").figure
    assert json.loads(drawn.to_json()) == json.loads(figure.to_json())
    np.testing.assert_array_equal(drawn.data[0].y, [0.5, np.nan, 2.0])
