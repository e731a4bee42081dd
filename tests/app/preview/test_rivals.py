"""The tab of other methods, where a compensation leaves nothing to draw, or cannot be asked for."""

from dataclasses import replace

from app.example import shipped
from app.preview.curve import rivals
from app.worker.client import Jobs
from core.records.spec import RunSpec
from tests.support.finished import Finished
from tests.support.pages import box, open_page


def test_where_a_compensation_ruins_every_choice_the_choices_are_drawn_without_it() -> None:
    found = shipped.example().comparison
    assert found is not None
    bare = replace(found, methods=tuple(replace(method, compensated=()) for method in found.methods))
    plain = rivals(replace(bare, compensation="none"))
    ruined = rivals(replace(bare, compensation="refit"))
    assert [list(line.y) for line in ruined.figure.data] == [list(line.y) for line in plain.figure.data]
    assert ruined.figure.layout.yaxis.title.text == plain.figure.layout.yaxis.title.text
    assert ruined.alt == f"{plain.alt} Every choice is ruined by refit, and drawn without it."


def test_no_compensation_is_asked_for_where_halves_play(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    blocks, halves = finished(spec, replace(spec, players="sublayer"))
    page = open_page("preview", run=blocks, tab="rivals")
    box(page, "Compensation").set_value("refit").run()
    page.query_params["run"] = halves
    page.run()
    assert not page.exception and box(page, "Compensation").disabled
    assert box(page, "Compensation").value == "none"
