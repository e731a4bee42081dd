"""No string that is not ours reaches Streamlit's Markdown, or leaves a figure, unescaped: read from the code itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.root import ROOT

# What draws Markdown, by its arguments: labels and texts stand first, and `help` is one everywhere.
SINKS = {
    "markdown", "caption", "error", "warning", "success", "info", "toast", "title", "header", "subheader", "metric",
    "progress", "expander", "button", "download_button", "form_submit_button", "page_link", "checkbox", "selectbox",
    "multiselect", "pills", "segmented_control", "radio", "slider", "select_slider", "number_input", "text_input",
    "text_area", "file_uploader", "popover", "tabs", "spinner", "status",
}  # fmt: skip
TEXTS = {"help", "text", "label", "body", "placeholder"}
# What gives words of ours, or has made foreign ones plain.
OURS = {
    "plain",
    "significant",
    "perplexity",
    "change",
    "interval_of",
    "ranking",
    "code",
    "len",
    "duration",
    "round",
    "sum",
    "int",
    "float",
    "stability",
    "lacking",
    "sentence",
    "depth_words",
    "was_predicted",
    "task_name",
    "stage_of",
    "conclusion",
    "_minutes",
    "_taken",
    "_held",
    "_told",
}
# Words of ours that stand in a variable or a table.
WORDS = {
    "unit", "text", "_STRONGEST", "kind", "how", "verdict", "WORDS[pair.meaning]", "words", "name", "played", "_RUINED",
    "fewest", "total", "total - count", "layers", "sizes", "KINDS[kind]", "WORTHS[worth].sentence", "INDICES[kind]",
    "depth_words(result.strata, values)", "amount(event.done)", "amount(event.total)", "', '.join(sizes)",
    "team_name(chosen)", "basis", "held", "behind",
    "term", "TERMS[term]", "said", "worse",
    "size.capitalize()", "what", "far", "_TALL", "status", "icon", "page.title",
    "reads.basis(database, run)", "reads.basis(database, chosen)",
    "', '.join(map(str, sizes))", "story.told", "CLAIMS[name].capitalize()",
}  # fmt: skip
# What is called for a whole text, of words of ours alone; a text joined here is looked into.
CALLS = {
    "_takes", "team_name", "min", "join", "navigation.runs", "navigation.surrogate", "navigation.preview",
    "navigation.export", "navigation.contributions",
}  # fmt: skip
FILES = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "pages").rglob("*.py")])


def numbers() -> set[str]:
    """The fields of records that are numbers wherever they stand."""
    kinds: dict[str, set[str]] = {}
    for file in [*(ROOT / "core").rglob("*.py"), *(ROOT / "app").rglob("*.py"), *(ROOT / "cache").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                for field in node.body:
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                        kinds.setdefault(field.target.id, set()).add(ast.unparse(field.annotation))
    return {name for name, found in kinds.items() if found <= {"int", "float", "int | None", "float | None"}}


def foreign(node: ast.AST) -> Iterator[str]:
    """The values of f-strings below a node that are neither numbers nor made plain."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in OURS:
        return
    if isinstance(node, ast.FormattedValue):
        value = node.value
        if node.format_spec is not None and ast.unparse(node.format_spec)[2:-1][-1:] in set("dfge%,"):
            return
        if isinstance(value, ast.JoinedStr | ast.IfExp | ast.Constant | ast.Call):
            yield from foreign(value)
            if isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] not in OURS:
                yield ast.unparse(value)
            return
        if isinstance(value, ast.Attribute) and value.attr in NUMBERS:
            return
        yield ast.unparse(value)
        return
    if isinstance(node, ast.Attribute):
        yield from [] if node.attr in NUMBERS else [ast.unparse(node)]
        return
    if isinstance(node, ast.Call):  # a function's own name is no text
        for below in [*node.args, *(word.value for word in node.keywords)]:
            yield from foreign(below)
        return
    for below in [node.body, node.orelse] if isinstance(node, ast.IfExp) else ast.iter_child_nodes(node):
        yield from foreign(below)


NUMBERS = numbers() | {"masks", "measured", "tokens"}


def unescaped(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SINKS):
            continue
        arguments = [*node.args[: 3 if node.func.attr == "metric" else 1]]
        arguments += [word.value for word in node.keywords if word.arg in TEXTS]
        for argument in arguments:
            if isinstance(argument, ast.Call):
                called = ast.unparse(argument.func)
                if not {called, called.split(".")[-1]} & (OURS | CALLS):
                    yield ast.unparse(argument)
            yield from (value for value in foreign(argument) if value not in WORDS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_is_not_ours_is_made_plain(file: Path) -> None:
    assert not list(unescaped(file))


def texts_as_numbers(tree: ast.AST) -> list[str]:
    """The values of f-strings that are texts, and are written as numbers are: a traceback when they are drawn."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue)
        and node.format_spec is not None
        and ast.unparse(node.format_spec)[2:-1][-1:] in set("dfgen%,")
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).split(".")[-1] in {"plain", "code", "str", "named", "duration", "amount"}
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_text_is_not_written_as_a_number(file: Path) -> None:
    assert not texts_as_numbers(ast.parse(file.read_text(encoding="utf-8")))


def test_a_text_that_is_written_as_a_number_is_found() -> None:
    for wrong in ("f'{plain(both):.3f}'", "st.metric('a', f'{1} {app.foreign.code(x):,d}')", "f'{str(a):.1%}'"):
        assert texts_as_numbers(ast.parse(wrong)), wrong
    assert not texts_as_numbers(ast.parse("f'{both:.3f} {plain(name)} {plain(name):>10}'"))


def test_a_name_that_is_not_made_plain_is_found() -> None:
    for sink in (
        "st.markdown(f'of {model.source}')",
        "st.caption(job.stage or 'soon')",
        "st.metric('a', '1', help=f'{a}')",
    ):
        call = ast.parse(sink).body[0]
        assert isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
        assert list(foreign(call.value.args[-1])) or list(foreign(call.value.keywords[-1].value)), sink
