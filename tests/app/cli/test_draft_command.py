"""`select --for draft`: a table and an object of plans as drafts, and nothing offered where none gains."""

from pathlib import Path
from typing import Any

import pytest

from app.__main__ import main
from core.drafting import gains
from core.records.spec import RunSpec
from core.speed import timing
from core.speed.generating import Generation
from tests.support.commands import Cli
from tests.support.finished import Finished

QUICK = ("--most", 2, "--units", 0.1)


@pytest.fixture(params=[None])
def timed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole model's token takes a second, and a smaller one's no less, or the test's parameter."""

    def written(model: Any, ids: Any, tokens: int) -> Generation:
        return Generation(1.0, 1.0 if len(model.model.layers) == 8 else request.param or 1.0, ids, None)

    monkeypatch.setattr(timing, "generation", written)
    monkeypatch.setattr(gains, "TOKENS", 8)


@pytest.mark.usefixtures("timed")
def test_where_none_gains_nothing_is_offered(
    cli: Cli, finished: Finished, spec: RunSpec, cache_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = finished(spec)
    status, found, errors = cli("select", run, *QUICK, "--for", "draft")
    assert status == 0 and found["plans"] == [] and found["draft"]["best"] is None, errors
    first, second = found["draft"]["plans"]
    assert [first["count"], second["count"]] == [1, 2] and len(second["removed"]) == 2
    for plan in (first, second):
        assert 0 <= plan["acceptance"]["value"] < 1 == plan["cost"]["value"] > plan["speedup"]["value"]
        assert plan["length"] == 1 and not plan["gains"]
    assert found["draft"]["lengths"] == [1, 16] and found["draft"]["machine"]["device"] == "cpu"
    assert cli("select", run, *QUICK, "--for", "draft", "--fail")[0] == 3
    assert main(["select", run, "--most", "1", "--for", "draft", "--cache", str(cache_file)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("No plan gains") and said[-1].endswith("Nothing is offered.")
    [row] = [line for line in said if line.lstrip().startswith("1 ")]  # of two plans one was asked for
    assert "%" in row and "±" in row
    assert cli("select", run)[1]["draft"] is None


@pytest.mark.usefixtures("timed")
@pytest.mark.parametrize("timed", [0.0001], indirect=True)
def test_the_plan_that_gains_most_is_offered(
    cli: Cli, finished: Finished, spec: RunSpec, cache_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = finished(spec)
    status, found, errors = cli("select", run, *QUICK, "--for", "draft", "--fail")
    plans, [offered] = found["draft"]["plans"], found["plans"]
    best = max(plans, key=lambda plan: float(plan["speedup"]["value"]))
    assert status == 0 and best["gains"] and found["draft"]["best"] == best["count"] == offered["count"], errors
    assert offered["removed"] == best["removed"] and offered["perplexity"] > 0
    assert main(["select", run, "--for", "draft", "--cache", str(cache_file)]) == 0
    *_, verdict, use = capsys.readouterr().out.splitlines()
    assert verdict.startswith(f"The best: {best['count']} removed, {best['length']} tokens at a time")
    assert f"quorum.draft(model, {best['removed']}, tokens={best['length']})" in use


@pytest.mark.parametrize("target", ["--count=1", "--ratio=.2", "--parameters=9", "--max-increase=5%"])
def test_it_is_a_target_of_its_own(target: str, cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli("select", "latest", "--for", "draft", target)
    assert ended.value.code == 2 and "not allowed with argument --for" in capsys.readouterr().err
