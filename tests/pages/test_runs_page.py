"""The page Runs: the example of the first start, what a request will take, evaluations that come in, two runs."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import foresight
from app.example import shipped
from app.foresight import foresee, sentences
from app.preview.steps import Step
from app.runs import looking
from app.runs.conclusion import conclusion
from app.worker.client import Jobs
from cache import evaluations, queries
from cache.database import Database
from cache.exchange.parquet import export_evaluations
from cache.store import Store
from core.checkpoint.device import choose_dtype
from core.checkpoint.size import shape_of
from core.cluster.machines import Machines
from core.errors import SelectionError
from core.records.looks import DeviceSeen
from core.records.spec import BUNDLED, RunSpec
from core.run.forecast import work
from core.sampling.samplers import begin
from tests.support.finished import Finished
from tests.support.pages import box, button, links, looked_at, open_page, said


def fill_in(app: AppTest, spec: RunSpec) -> None:
    app.selectbox(key="model").set_value(spec.model)
    app.number_input[0].set_value(spec.masks)
    app.number_input[1].set_value(spec.sequences)
    app.number_input[2].set_value(spec.window)
    app.run()
    assert not app.exception


def test_example_is_there_at_the_first_start_and_only_then(shared: Jobs) -> None:
    shipped.load_into(shared.database)
    [run] = queries.runs(shared.database)
    assert shipped.is_example(run) and run.spec == RunSpec()
    assert evaluations.count_evaluations(shared.database, run.game) >= 301
    page = open_page()
    assert "This is an example" in said(page) and shared.newest() is None
    assert page.dataframe[0].value.loc[0, "status"] == "example"
    assert "nothing is left to measure" in said(page), "the default run finds the example's evaluations"
    assert len(page.get("plotly_chart")) == 1
    assert box(open_page("contributions"), "Run").options[0].endswith("example")
    button(page, "Delete").click().run()
    shipped.load_into(shared.database)
    assert not queries.runs(shared.database), "who deleted it does not get it again"


def test_the_last_result_in_one_sentence(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    """What can go is the largest plan whose measured perplexity is within a fifth of the whole model's."""
    shipped.load_into(shared.database)
    [run] = queries.runs(shared.database)
    found, result = shipped.example().selection, shipped.example().result
    assert found is not None
    known = {
        plan.count: evaluations.measured_without(shared.database, run.game, 30, plan.removed) for plan in found.plans
    }
    going = max(count for count, at in known.items() if at is not None and at[0] <= 1.2 * result.dense_perplexity)
    cost = known[going][0] / result.dense_perplexity - 1
    told = said(open_page())
    assert f"**{going} can go** for 20% ({cost:+.1%}, measured)" in told and "layer **0** matters most" in told
    assert {"run=" + shipped.example().result.run} == {query for _, query in links(open_page())}
    [run] = finished(spec)
    result = queries.find_run(shared.database, run).result
    assert result is not None
    assert "no plans yet" in conclusion(result, {})
    assert "**none** can go for 20%" in conclusion(result, {1: Step((0,), 1e6)})
    most = max(result.overall, key=lambda item: item.value).layer
    assert f"layer **{most}** matters most" in said(open_page())


def test_example_is_small_and_what_the_engine_wrote(cache_file: Path) -> None:
    assert sum(file.stat().st_size for file in shipped.FOLDER.iterdir()) < 300_000
    database = Database(cache_file)
    shipped.load_into(database)
    [run] = queries.runs(database)
    result = shipped.example().result
    measured = evaluations.measurements(database, run)
    assert np.exp(measured.dense.mean()) == pytest.approx(result.dense_perplexity)
    _, masks = begin(run.spec, result.model.layers)
    assert len(Store(database).known(run.game, masks)) == len(masks) == 1 + result.masks
    again = Store(database).begin(run.game, run.spec, result.protocol, run.strata)
    assert again == run.run, "the default run on a like machine is this very run"


def test_forecast_by_hand(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    """Twice the sequences, and other coalitions: the work times the seconds that the earlier run took for its own."""
    run = queries.find_run(shared.database, *finished(spec))
    result, shape = run.result, shape_of(spec.model)
    assert result is not None and shape is not None
    asked = replace(spec, sequences=8, masks=60)
    found = foresee(shared.database, [run], asked)
    (_, before), (_, after) = begin(spec, 8), begin(asked, 8)
    ratio = work(after, np.ones(61, np.bool_), shape.head) / work(before, np.ones(51, np.bool_), shape.head)
    assert found.seconds == pytest.approx(result.seconds * ratio * 2) and found.rate_of == run.run
    assert (found.coalitions, found.known) == (61, 0) and found.memory is not None and found.dtype_known
    more = foresee(shared.database, [run], replace(spec, masks=60))
    assert (more.coalitions, more.known, more.known_in) == (61, 51, result.model.dtype)
    assert more.seconds is not None and more.seconds < found.seconds / 2
    assert foresee(shared.database, [run], replace(asked, dtype="float16")).seconds is None


def test_a_forecast_is_of_the_device_that_computes(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    """Nothing packed, its own memory, and no rate of a processor's run."""
    run = queries.find_run(shared.database, *finished(spec))
    asked = replace(spec, sequences=8, masks=60)
    assert run.findings is not None and foresee(shared.database, [run], asked).seconds is not None
    gpu = DeviceSeen("cuda:1", run.findings.dtype, 2**20)
    found = foresee(shared.database, [run], asked, gpu)
    assert found.seconds is None and found.memory is not None and not found.memory.packed and found.dtype_known
    assert found.free == 2**20 and found.memory.total < foresee(shared.database, [run], asked).memory.total
    memory = sentences(replace(found, memory=replace(found.memory, weights=2**21)))["Memory"]
    assert "GiB of the device cuda (" in memory and "packed" not in memory and "more than the" in memory
    there = replace(run, findings=replace(run.findings, device="cuda"))
    assert foresee(shared.database, [there], asked, gpu).rate_of == run.run
    assert foresee(shared.database, [there], replace(asked, device="cpu")).seconds is None


def test_where_there_may_be_a_gpu_the_worker_is_asked(shared: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has torch, and knows; a page that has none takes drivers for a hint."""
    monkeypatch.setattr(looking, "may_accelerate", lambda: True)
    monkeypatch.setattr(looking, "_known", {})
    page = looked_at(open_page())
    [job] = [job for job in looking._known.values() if job.spec.model == BUNDLED]
    assert job.looked is not None and isinstance(job.looked.device, DeviceSeen)
    assert (job.looked.device.device, job.looked.device.dtype) == ("cpu", choose_dtype("auto", "cpu"))
    assert "30 layers" in said(page) and not button(page, "Start run").disabled


def test_nothing_is_invented_where_nothing_is_known(shared: Jobs, spec: RunSpec) -> None:
    found = foresee(shared.database, [], replace(spec, model="nobody/has-made-this-model"))
    assert (found.coalitions, found.seconds, found.memory) == (None, None, None)
    found = foresee(shared.database, [], spec)
    assert found.seconds is None and found.memory is not None and not found.dtype_known


@pytest.mark.parametrize("sampler", ["stratified", "shapley", "adaptive"])
def test_forecast_of_more_than_is_drawn(cache_file: Path, sampler: str) -> None:
    asked = RunSpec(masks=10_000, sampler=sampler)
    assert foresee(Database(cache_file), [], asked).coalitions == 10_001
    if sampler == "stratified":
        with pytest.raises(SelectionError, match="these strata hold 4,496 coalitions"):
            foresee(Database(cache_file), [], replace(asked, strata=(28, 27)))  # 435 + 4060 + 1


def test_forecast_follows_the_form(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    spec = replace(spec, corpus="python-docs")
    [run] = finished(spec)
    page = open_page()
    assert "not known until the first coalitions are measured" in said(page), "of another model, no rate"
    fill_in(page, spec)
    assert "nothing is left to measure" in said(page) and "51 coalitions" in said(page)
    fill_in(page, replace(spec, sequences=8))
    assert f"estimated from run {run}" in said(page) and "predicted from sizes" in said(page)
    page.number_input[0].set_value(250).run()
    assert "these strata hold" in said(page), "a request that cannot be is said before it starts"


def test_sizes_with_their_time(
    shared: Jobs, finished: Finished, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each says the time that the forecast of that very request says, once a run here tells the machine's rate."""
    monkeypatch.setitem(foresight.SIZES, "quick", (30, 2))
    monkeypatch.setitem(foresight.SIZES, "thorough", (60, 8))
    spec = replace(spec, corpus="python-docs")
    page = open_page()
    assert sizes(page) == {"quick": ("Quick", False), "standard": ("Standard", True), "thorough": ("Thorough", False)}
    [run] = finished(spec)
    page = open_page()
    fill_in(page, spec)
    runs = [queries.find_run(shared.database, run)]
    said = {}
    for name, masks, sequences in (("quick", 30, 2), ("thorough", 60, 8)):
        found = foresee(shared.database, runs, replace(spec, masks=masks, sequences=sequences))
        assert found.seconds is not None
        minutes = f"~{round(found.seconds / 60)}" if found.seconds > 30 else "<1"
        said[name] = (f"{name.capitalize()} {minutes} min", False)
    assert sizes(page) == said | {"standard": ("Standard", False)}, "so many coalitions the model has not"
    page.button(key="size quick").click().run()
    assert [page.number_input[0].value, page.number_input[1].value] == [30, 2] and sizes(page)["quick"][1]
    page.number_input[0].set_value(31).run()
    assert page.number_input[0].value == 31 and not any(now for _, now in sizes(page).values())
    assert not page.exception


def sizes(page: AppTest) -> dict[str, tuple[str, bool]]:
    """What each size is called, and whether the form has it now."""
    found = {name: page.button(key=f"size {name}") for name in foresight.SIZES}
    return {name: (shown.label, shown.proto.type == "secondary") for name, shown in found.items()}


def test_evaluations_are_taken_in(shared: Jobs, finished: Finished, spec: RunSpec, tmp_path: Path) -> None:
    run = queries.find_run(shared.database, *finished(spec))
    content = export_evaluations(shared.database, run)
    with shared.database.writing() as connection:
        connection.execute("DELETE FROM evaluations")
    page = open_page()
    uploader = [each.label for each in page.file_uploader].index("Evaluations (Parquet)")
    page.file_uploader[uploader].set_value(("all.parquet", content, "application/vnd.apache.parquet"))
    button(page, "Take in").click().run()
    assert "51 evaluations" in said(page) and "51 of them new" in said(page)
    assert f"`{spec.model}`" in said(page), "what a file says is code, and no Markdown"
    page.file_uploader[uploader].set_value(("wrong.parquet", b"no", "application/vnd.apache.parquet"))
    button(page, "Take in").click().run()
    assert "no Parquet file" in said(page) and evaluations.count_evaluations(shared.database) == 51
    button(page, "Take in").click().run()
    assert "Choose a file first" in said(page)


def test_two_runs_in_the_history_and_beside_unknown_ones(shared: Jobs, finished: Finished, spec: RunSpec) -> None:
    first, second = finished(spec, replace(spec, masks=60))
    page = open_page()
    table = page.dataframe[0].value
    assert sorted(table["coalitions"]) == ["50", "60"]
    assert "seed" not in table and set(table["model"]) == {Path(spec.model).name}, "only these are always there"
    assert f"model {spec.model}" in said(page) and "seed 0" in said(page)
    page = open_page(run="nonesuch")
    assert "There is no run nonesuch here" in said(page)
    assert {query for _, query in links(page)} == {f"run={first}", f"run={second}"}
    page = open_page(run=first, compare="nonesuch")
    assert "There is no run nonesuch here" in said(page)
    assert [query for _, query in links(page)] == [f"run={first}", f"run={first}&compare={second}"]


def test_a_protocol_of_the_literature_settles_the_windows(shared: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[RunSpec] = []
    monkeypatch.setattr(Jobs, "submit", lambda _, spec, owner, **__: asked.append(spec))
    page = open_page()
    [protocol] = [box for box in page.selectbox if box.label == "Protocol"]
    assert protocol.options == ["none", "paper", "2048", "4096"]
    protocol.set_value("2048").run()
    [field] = [box for box in page.text_input if box.label == "Field"]
    field.set_value(" content ").run()
    assert {box.label: box.value for box in page.number_input}["Tokens in a sequence"] == 2048
    assert not page.exception
    button(page, "Start run").click().run()
    assert [(spec.preset, spec.window, spec.sequences, spec.field) for spec in asked] == [
        ("2048", 2048, 128, "content")
    ]


def test_a_run_can_be_measured_by_workers(shared: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the form says of them reaches whoever computes; a cluster that cannot be asked is refused before that."""
    monkeypatch.setattr("app.runs.machines_fields.find_spec", lambda _: object())
    monkeypatch.setattr("core.cluster.machines.metadata.version", lambda _: "2.60.0")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a token")
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(Jobs, "submit", lambda *_, search, **more: asked.append(more))
    page = open_page()
    button(page, "Start run").click().run()
    page.number_input(key="workers").set_value(3).run()
    button(page, "Start run").click().run()
    page.text_input(key="cluster").set_value("10.0.0.1:6379").run()
    button(page, "Start run").click().run()
    others = [{"machines": asdict(Machines(3, cluster))} for cluster in (None, "10.0.0.1:6379")]
    assert asked == [{}, *others] and not page.exception
    page.text_input(key="cluster").set_value("ray://10.0.0.1").run()
    assert "is no address of a cluster" in said(page)
    assert button(page, "Start run").disabled
