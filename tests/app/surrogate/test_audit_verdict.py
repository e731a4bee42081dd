"""One verdict of a run, by the command line, in a notebook and on the page Surrogate; and no good one of a bad run."""

from dataclasses import replace

import pytest
import quorum

from app.__main__ import main
from app.worker.client import Jobs
from cache import queries
from cache.store import Store
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.selection.targets import Request
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.pages import open_page, said


def verdict_on_page(run: str) -> str:
    [line] = [line for line in said(open_page("surrogate", run=run)).splitlines() if "**Audit:**" in line]
    return line


@pytest.mark.parametrize("sampler", ["stratified", "adaptive", "shapley"])
def test_figures_of_a_run_are_those_of_its_coalitions(
    shared: Jobs, finished: Finished, spec: RunSpec, sampler: str, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = finished(replace(spec, sampler=sampler, masks=60))
    _, answer, _ = cli("audit", run)
    assert answer["figures"]["state"] == "holds" and answer["figures"]["difference"] < 1e-9
    assert answer["exactness"]["state"] == "holds"
    [nobody] = {item["own"] for item in answer["sums"]["worths"]}
    assert answer["sums"]["state"] == ("holds" if nobody else "unknown")
    assert nobody or sampler != "shapley", "values over all sizes rest on the model without any of its players"
    assert answer["own"] == queries.find_run(shared.database, run).result.surrogate.masks
    main(["audit", run, "--cache", str(shared.database.file)])
    lines = capsys.readouterr().out.splitlines()
    assert f"{answer['sums']['state']:7}  efficiency: {answer['sums']['says']}" in lines
    found = quorum.load(run, cache=shared.database.file).audit()
    assert (found.verdict, found.sound) == (answer["verdict"], answer["sound"])


def test_the_page_has_it_in_one_line_and_follows_what_changes(
    shared: Jobs, finished: Finished, spec: RunSpec, cli: Cli
) -> None:
    [name] = finished(spec)
    _, before, _ = cli("audit", name)
    shown = said(open_page("surrogate", run=name))
    assert before["sums"]["says"] in shown and "no chosen set was predicted and measured" in shown
    assert "chosen sets" not in verdict_on_page(name)
    run = queries.find_run(shared.database, name)
    list(Engine(Store(shared.database)).select(run.run, run.game, run.resolved, Request(0.2, 4)))
    status, after, _ = cli("audit", name)
    assert after["chosen"]["of"] > 0 and after["figures"]["state"] == "holds", "a search is no part of a run"
    inside, of = (after["chosen"][key] for key in ("inside", "of"))
    shown = said(open_page("surrogate", run=name))
    assert after["chosen"]["says"].partition("%")[0] in shown
    failing = [part["says"] for part in after.values() if isinstance(part, dict) and part["state"] == "fails"]
    told = verdict_on_page(name)
    if failing:
        assert failing[0].partition("%")[0] in told and "nothing fails" not in told
    elif after["coalitions"]["state"] == "holds":
        assert f"{inside} of {of} chosen sets" in told and "nothing fails" in told
    else:
        assert after["coalitions"]["says"] in told
    assert status == (0 if after["sound"] else 1)
    own = queries.diagnostics(shared.database, name).masks[:2]
    with shared.database.writing() as connection:
        connection.execute("DELETE FROM evaluations WHERE list_contains(?, mask)", [list(own)])
    status, gone, _ = cli("audit", name)
    assert status == 1 and not gone["sound"] and gone["figures"]["lost"] == 2
    shown = verdict_on_page(name)
    assert "FAILS: 2 of the 50 coalitions" in shown and ":material/warning:" in shown


def test_a_run_with_nothing_to_tell_is_refused(shared: Jobs, finished: Finished, spec: RunSpec, cli: Cli) -> None:
    [name] = finished(spec)
    with shared.database.writing() as connection:
        connection.execute("DELETE FROM evaluations WHERE contains(mask, '0')")
    status, answer, _ = cli("audit", name)
    assert status == 1 and answer["error"]["kind"] == "SelectionError"
    assert "**Audit:**" not in said(open_page("surrogate", run=name))
