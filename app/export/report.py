"""A run and a choice of layers as files that any browser opens, without a network: the report, or one figure each."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from app.dashboard import reads
from app.digits import perplexity
from app.export.run_figures import RunFigure, run_figures
from app.figures.strip import strip
from app.words import called, named
from cache.database import Database
from cache.queries import StoredRun
from core.paths import own_name
from core.records.behaviour.treatments import Treatment
from core.records.results import RunResult

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}code{background:#eee}"
    "td,th{text-align:left;padding-right:2rem}"
)


def report_of(database: Database, run: StoredRun, removed: tuple[int, ...]) -> bytes:
    """The report of a run that has a result: the same bytes for whoever asks, as long as nothing more is measured."""
    assert run.result is not None
    measured = reads.all_known(database, run, (removed,)).get(removed)
    figures = run_figures(database, run, removed)
    treated = reads.traits(database, run.result.model, [removed])[removed].treated.values()
    return report(run.result, removed, measured[0] if measured else None, figures, tuple(treated)).encode()


def report(
    result: RunResult,
    removed: tuple[int, ...],
    measured: float | None,
    figures: Sequence[RunFigure],
    treated: Sequence[Treatment] = (),
) -> str:
    """The report as HTML. Plotly's script is inside it.

    Args:
        result: of the run.
        removed: the chosen layers.
        measured: the perplexity without them on the run's text, if it is known.
        figures: one below the other, each with its data.
        treated: exports without these layers that changed weights.
    """
    players = result.model.players
    gone = escape(named(players, removed)) or "none"
    found = f"{perplexity(measured)} (measured)" if measured is not None else "not measured"
    body = [
        _told(result),
        strip(removed, result),
        f"<p>Removed layers: <b>{gone}</b>. Perplexity {found}; the whole model has "
        f"{perplexity(result.dense_perplexity)} (measured).</p><p><code>python -m app export {escape(result.run)} "
        f"--remove {escape(named(players, removed, ','))} --out DIR</code></p>",
        *map(_steps, treated),
    ]
    for index, figure in enumerate(figures):
        body += [f"<h2>{escape(figure.title)}</h2>", _drawn(result.run, figure, script=index == 0)]
    return _page(result, f"Which layers does {_model(result)} need?", body)


def figure_page(result: RunResult, figure: RunFigure) -> str:
    """One figure as HTML, with its data, its description, and what it was measured on."""
    return _page(result, figure.title, [_drawn(result.run, figure, script=True), _told(result)])


def strip_page(result: RunResult, removed: tuple[int, ...]) -> str:
    """The strip of a removal as HTML."""
    return _page(result, "Layers kept and removed", [strip(removed, result), _told(result)])


def _model(result: RunResult) -> str:
    """What people call the model, and nothing of where it is."""
    return called(own_name(result.model.source))


def _told(result: RunResult) -> str:
    """Of which model the figures are, and on which text."""
    model = result.model
    return (
        f"<p>{escape(_model(result))}: {escape(model.architecture)}, {model.layers} layers, "
        f"{model.parameters:,} parameters, {escape(model.dtype)}. Run <code>{escape(result.run)}</code>: "
        f"{result.surrogate.masks} coalitions, measured on {escape(str(result.protocol))}.</p>"
    )


def _steps(treated: Treatment) -> str:
    """What each step of an export gave."""
    rows = (f"<tr><td>{escape(step)}</td><td>{perplexity(found)}</td></tr>" for step, found in treated.steps())
    head = "<tr><th>an export, step by step</th><th>perplexity (measured)</th></tr>"
    return f"<table>{head}{''.join(rows)}</table><p>Perplexities {escape(str(treated))}.</p>"


def _drawn(run: str, figure: RunFigure, *, script: bool) -> str:
    """A figure, its description, and the ways to save its picture and its data."""
    file = f"{figure.name}-{run}"
    drawn = figure.on_paper().to_html(
        full_html=False, include_plotlyjs=script, div_id=figure.name, config={"displayModeBar": False}
    )
    options = f"{{format:'svg',filename:'{file}',width:null,height:null}}"
    save = f"<button onclick=\"Plotly.downloadImage('{figure.name}',{options})\">Save as SVG</button>"
    data = b64encode(figure.table.to_csv(index=False).encode()).decode()
    link = f"<a download='{file}.csv' href='data:text/csv;charset=utf-8;base64,{data}'>Its data (CSV)</a>"
    return f"{drawn}<p>{escape(figure.chart.alt)}</p><p>{save} {link}</p>"


def _page(result: RunResult, heading: str, body: Sequence[str]) -> str:
    head = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>Quorum: {escape(_model(result))}</title>",
        f"<style>{_STYLE}</style><h1>{escape(heading)}</h1>",
    ]
    return "\n".join([*head, *body, "</html>\n"])
