"""The literature's scores beside the contributions, measured at a click; and the text of calibration sequences."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM

from app.contributions.rival_scores import ranks_by_method
from app.figures.heatmaps import sequence_heatmap
from app.worker.client import Jobs
from cache import evaluations, labels, queries
from cache.database import Database
from cache.store import Store
from core.coalitions.masks import encode, without
from core.errors import EvaluationError
from core.records.events import Measured, Scored
from core.records.plans import Scores
from core.records.reader import from_fields
from core.records.spec import RunSpec, TextProtocol
from core.run.engine import Engine
from tests.support.jobs import wait
from tests.support.pages import box, button, open_page, said
from tests.support.stored import store_run


def test_scores_and_texts_of_a_real_model(cache_file: Path, spec: RunSpec, tiny: Path, text_file: Path) -> None:
    store = Store(Database(cache_file))
    engine = Engine(store)
    *_, measured = engine.measure(spec, spec.text(), (1,))
    assert isinstance(measured, Measured)
    game = store.open_game(measured.model, measured.protocol)
    *_, scored = engine.score("some-run", game, spec)
    assert isinstance(scored, Scored)
    assert queries.scores(Database(cache_file), "some-run") == scored.scores
    found = scored.scores.by_method
    singles = [encode(without(8, [layer])) for layer in range(8)]
    losses = evaluations.losses(Database(cache_file), game, singles)
    assert found["one-shot"][1] == pytest.approx(measured.mean_nll)
    np.testing.assert_allclose(found["one-shot"], [losses[mask].mean() for mask in singles], rtol=1e-6)
    model = AutoModelForCausalLM.from_pretrained(tiny)
    weights = torch.cat([weight.detach().flatten().abs() for weight in model.model.layers[3].parameters()])
    assert found["magnitude"][3] == pytest.approx(float(weights.mean()), rel=1e-2)
    texts = queries.texts(Database(cache_file), measured.model.fingerprint, measured.protocol.tokens)
    assert len(texts) == 4 and all(len(text) == 16 and text in text_file.read_text() for text in texts), "of bytes"
    with pytest.raises(EvaluationError, match="has changed"):
        list(engine.score("some-run", "another game", spec))
    with Database(cache_file).writing() as connection:
        labels.forget(connection, "some-run")
    assert queries.scores(Database(cache_file), "some-run") is None


def test_page_shows_scores_beside_the_values_and_texts_beside_sequences(shared: Jobs) -> None:
    result, store = store_run(shared.database), Store(shared.database)
    run = queries.find_run(shared.database, result.run)
    page = open_page("contributions", run=run.run, tab="literature")
    assert "the 1 of 8 removals of one layer that are not in the results file yet" in said(page)
    scores = (0.3, 0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 0.7)
    store.save_scores(run.run, Scores(result.protocol, {"shortgpt": scores}))
    texts = ["A river", "Two\n\nroads <b>", "Three", "Four"]
    store.record_texts(result.model.fingerprint, result.protocol.tokens, texts)
    page = open_page("contributions", run=run.run, value="shapley", worth="log_score", tab="literature")
    table = next(frame.value for frame in page.dataframe if "rank by ShortGPT" in frame.value)
    values = page.dataframe[0].value.sort_values("layer")
    np.testing.assert_allclose(table["ours"], values["Shapley value"])
    assert list(table["rank by ShortGPT"]) == [3, 1, 2, 4, 5, 6, 8, 7]
    shown = next(frame.value for frame in page.dataframe if "rank correlation with ours" in frame.value)
    expected = spearmanr(values["Shapley value"], scores).statistic
    assert list(shown["rank correlation with ours"]) == pytest.approx([expected])
    texts_page = open_page("contributions", run=run.run, tab="text")
    begins = next(frame.value for frame in texts_page.dataframe if "begins" in frame.value)
    assert list(begins["begins"]) == ["A river", "Two roads <b>", "Three", "Four"]
    assert "are not in the results file:" not in said(texts_page)
    button(page, "Measure the rivals' scores again").click().run()
    job = shared.newest("score", run.run)
    assert job is not None and job.details == {"run": run.run, "game": run.game}
    wait(lambda: not job.active)
    page.run()
    assert job.status == "failed" and job.message in said(page), "there is no such model"


def test_a_text_stands_beside_its_row() -> None:
    texts = ["x" * 30 + " " + "<b>" * 30, "short"]
    chart = sequence_heatmap(["1", "2"], np.eye(2), ("0", "1"), "unit", texts)
    first, second = chart.figure.layout.yaxis.ticktext
    assert first.startswith("1<br>" + "x" * 30) and "&lt;b&gt;" in first and "<b>" not in first and first.endswith("…")
    assert second == "2<br>short"
    assert chart.figure.data[0].text[1][0] == "short"


def test_a_run_without_texts_says_so(shared: Jobs) -> None:
    page = open_page("contributions", run=store_run(shared.database).run, tab="text")
    assert "The texts are not in the results file:" in said(page)
    assert not any("begins" in frame.value for frame in page.dataframe)
    assert box(page, "Value").value == "stratified"


def test_ranks_and_correlations() -> None:
    protocol = TextProtocol("tale.txt", "calibration", 16, 16, "none", 3, 0, "a" * 16)
    scores = Scores(protocol, {"shortgpt": (0.3, 0.1, 0.2), "one-shot": (float("nan"), 3.0, 2.0)})
    found = ranks_by_method(np.array([3.0, 1.0, 2.0]), scores)
    assert found.methods == ("ours", "ShortGPT", "one-shot perplexity")
    np.testing.assert_array_equal(found.ranks, [[3, 1, 2], [3, 1, 2], [1, 3, 2]])
    assert found.correlations == pytest.approx((1.0, 1.0, -1.0))
    assert from_fields(Scores, {"protocol": vars(protocol), "by_method": {"taylor": [1, 2, 3]}}).by_method == {
        "taylor": (1, 2, 3)
    }
