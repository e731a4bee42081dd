"""Four bits on the page Export: what is missing is said, and what was written is shown with what it costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.digits import perplexity
from app.worker.client import Jobs
from core.quantise.quantised import GRID
from core.records.spec import RunSpec
from tests.support.finished import Finished
from tests.support.jobs import wait
from tests.support.pages import agreed_export, button, said

TOOL = Path(sys.prefix) / "tools" / "bitsandbytes"


@pytest.fixture
def exported(
    shared: Jobs, finished: Finished, wide: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AppTest:
    """The page with a folder that it has written."""
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    # A worker that is begun here, with this home.
    monkeypatch.setattr("app.worker.client.subprocess", subprocess)
    spec = RunSpec(model=str(wide), corpus=str(text_file), sequences=4, window=16, masks=50, dtype="float32")
    [run] = finished(spec)
    page = agreed_export(run, "2,5")
    page.text_input[0].set_value("smaller").run()
    button(page, "Export").click().run()
    job = shared.newest("export", run)
    assert job is not None, said(page)
    wait(lambda: not job.active)
    return page.run()


def library(page: AppTest, name: str) -> None:
    next(box for box in page.selectbox if box.label == "Library").set_value(name).run()


def test_what_is_missing_is_said(exported: AppTest) -> None:
    library(exported, "gptqmodel")
    assert "gptqmodel 7.6.0 is not installed" in said(exported) and "requirements-gptqmodel.txt" in said(exported)
    assert button(exported, "Write in four bits").disabled


def test_four_bits_of_what_was_exported(shared: Jobs, exported: AppTest, tmp_path: Path) -> None:
    if not any(TOOL.glob("bitsandbytes-*.dist-info")):
        pytest.skip("pip install --no-deps --target .venv/tools/bitsandbytes -r requirements-bitsandbytes.txt")
    tools = tmp_path / "home" / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    (tools / "bitsandbytes").symlink_to(TOOL)
    library(exported, "bitsandbytes")
    button(exported, "Write in four bits").click().run()
    [job] = [one for one in shared.tasks() if one.what == "quantise"]
    wait(lambda: not job.active)
    assert job.status == "finished", job.message
    exported.run()
    assert not exported.exception
    folder = tmp_path / "home" / "exports" / "smaller-bitsandbytes"
    told = json.loads((folder / "quantised.json").read_text())
    made = json.loads((tmp_path / "home" / "exports" / "smaller" / "quorum.json").read_text())
    assert told["before"] == pytest.approx(made["perplexity"], rel=1e-4), "of the same windows as the export's"
    table = exported.table[-1].value
    assert list(table["perplexity"]) == [perplexity(told["before"]), perplexity(told["after"])]
    assert str(folder) in said(exported)
    assert GRID not in said(exported)
    (folder / "quantised.json").write_text(json.dumps({**told, "grid": True}))
    assert GRID in said(exported.run()), "of weights that lay on a grid before"
    for other in ("{}", "not JSON", "[1]"):
        (folder / "quantised.json").write_text(other)
        assert not exported.run().exception and "is no folder of four bits" in said(exported)
