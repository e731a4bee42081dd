"""Tables as LaTeX: nothing of a text is a command, and numbers have the digits that pages show."""

import re

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from app.figures.latex import latex
from app.foreign import tex

SIGNS = {
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textasciigrave": "`",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
}
PRINTED = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=40)


def read(written: str) -> str:
    """What LaTeX sets of a text, by its rules: a named sign, an escaped one, braces that only group, or itself."""
    tokens = re.findall(r"\\([a-z]+)\{\}|\\([&%$#_{}])|([{}])|(.)", written)
    for name, escaped, _, plain in tokens:
        assert name in SIGNS or (not name and (escaped or plain not in tuple("&%$#_~^\\") or not plain)), written
    return "".join(SIGNS.get(name, escaped + plain) for name, escaped, _, plain in tokens)


@given(PRINTED)
def test_a_text_is_set_as_it_is_written(text: str) -> None:
    written = tex(text)
    assert read(written) == " ".join(text.split())
    assert not written.startswith(("[", "*")) and "--" not in written


def test_what_is_not_seen_leaves_no_line() -> None:
    assert tex("a\n\n\\par b\x00\u202ec") == r"a \textbackslash{}par b??c"


def test_a_table() -> None:
    table = pd.DataFrame(
        {
            "layer": [0, 11, 2],
            "R² & more": [-0.012345, np.nan, np.inf],
            "perplexity": [52463.9, 1.5, 22.71],
            "layers": ["3, 7", "[x]_1", None],
        }
    )
    assert latex(table).splitlines() == [
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{rrrl}",
        r"\toprule",
        r"layer & R² \& more & perplexity & layers \\",
        r"\midrule",
        r"0 & $-0.0123$ & 52,500 & 3, 7 \\",
        r"11 & -- & 1.50 & {[}x{]}\_1 \\",
        r"2 & $\infty$ & 22.7 & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
