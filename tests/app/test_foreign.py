"""Foreign text as text: its Markdown, read by a parser of its own, holds words and code and nothing else."""

import plotly.graph_objects as go
import pytest
from markdown_it import MarkdownIt

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


def test_tags_do_not_leave_a_figure() -> None:
    hostile = "<a href='http://evil.example'>x</a><br><img src=x>"
    figure = go.Figure(go.Bar(x=[hostile], y=[1.0], hovertemplate=f"{hostile}<extra></extra>"))
    figure.update_layout(title=hostile, xaxis={"ticktext": [hostile], "tickvals": [0]})
    drawn = Chart(figure, "").figure.to_json()
    assert "\\u003ca" not in drawn and "\\u003cimg" not in drawn and "&lt;a" in drawn and "<a" not in drawn
