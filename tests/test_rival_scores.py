"""The literature's scores beside the contributions, measured at a click; and the text of calibration sequences."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM

from app.jobs import Jobs
from app.rival_scores import ranked
from cache import queries
from cache.store import Store
from core.masks import encode, without
from core.scores import Scores
from core.types import Protocol, RunSpec
from tests.stored import store_run
from tests.test_contribution_page import box
from tests.test_pages import button, finish, open_page, said, wait


def test_scores_are_measured_at_a_click(shared: Jobs, spec: RunSpec, tiny: Path, text_file: Path) -> None:
    run = queries.find_run(shared.database, finish(shared, spec))
    page = open_page("contributions", run=run.run)
    assert "removals of one layer that are not in the results file yet" in said(page)
    button(page, "Measure the rivals' scores").click().run()
    job = shared.newest("score", run.run)
    assert job is not None
    wait(lambda: not job.active)
    assert job.status == "finished", job.message
    found = queries.scores(shared.database, run.run)
    assert found is not None and run.result is not None and found.protocol == run.result.protocol
    singles = [encode(without(8, [layer])) for layer in range(8)]
    losses = queries.losses(shared.database, run.game, singles)
    np.testing.assert_allclose(found.by_method["one-shot"], [losses[mask].mean() for mask in singles], rtol=1e-6)
    model = AutoModelForCausalLM.from_pretrained(tiny)
    weights = torch.cat([weight.detach().flatten().abs() for weight in model.model.layers[3].parameters()])
    assert found.by_method["magnitude"][3] == pytest.approx(float(weights.mean()), rel=1e-2)
    page = open_page("contributions", run=run.run, value="shapley", worth="log_score")
    assert "the 0 of 8 removals" in said(page)
    table = next(frame.value for frame in page.dataframe if "rank by ShortGPT" in frame.value)
    values = page.dataframe[0].value.sort_values("layer")
    np.testing.assert_allclose(table["ours"], values["Shapley value"])
    assert sorted(table["rank by Taylor"]) == list(range(1, 9))
    shown = next(frame.value for frame in page.dataframe if "rank correlation with ours" in frame.value)
    by_method = dict(zip(shown["method"], shown["rank correlation with ours"], strict=True))
    expected = spearmanr(values["Shapley value"], found.by_method["shortgpt"]).statistic
    assert by_method["ShortGPT"] == pytest.approx(expected)
    _check_texts(shared, run, text_file.read_text())
    Store(shared.database).delete(run.run)
    assert queries.scores(shared.database, run.run) is None


def _check_texts(shared: Jobs, run: queries.StoredRun, whole: str) -> None:
    """Tokens are bytes, so that the 16 of each sequence are 16 characters of the text, and the page shows them."""
    assert run.result is not None
    texts = queries.texts(shared.database, run.result.model.fingerprint, run.result.protocol.tokens)
    assert len(texts) == 4 and all(len(text) == 16 and text in whole for text in texts)
    page = open_page("contributions", run=run.run)
    table = next(frame.value for frame in page.dataframe if "begins" in frame.value)
    assert list(table["begins"]) == [" ".join(text.split()) for text in texts]
    assert "are not in the results file:" not in said(page)


def test_a_run_without_texts_says_so(shared: Jobs) -> None:
    page = open_page("contributions", run=store_run(shared.database).run)
    assert "The texts of these sequences are not in the results file" in said(page)
    assert not any("begins" in frame.value for frame in page.dataframe)
    assert box(page, "Value").value == "stratified"


def test_ranks_and_correlations() -> None:
    protocol = Protocol("tale.txt", "calibration", 16, 16, "none", 3, 0, "a" * 16)
    scores = Scores(protocol, {"shortgpt": (0.3, 0.1, 0.2), "one-shot": (float("nan"), 3.0, 2.0)})
    found = ranked(np.array([3.0, 1.0, 2.0]), scores)
    assert found.methods == ("ours", "ShortGPT", "one-shot perplexity")
    np.testing.assert_array_equal(found.ranks, [[3, 1, 2], [3, 1, 2], [1, 3, 2]])
    assert found.correlations == pytest.approx((1.0, 1.0, -1.0))
    assert Scores.from_dict({"protocol": vars(protocol), "by_method": {"taylor": [1, 2, 3]}}).by_method == {
        "taylor": (1, 2, 3)
    }
