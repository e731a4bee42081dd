"""`matrix`: plans of several texts, each judged on all; its figures are those of single commands."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from app.__main__ import main
from app.cli.arguments import specs_of
from app.cli.parser import parser
from app.contributions.calibration_matrix import CalibrationMatrix, measured_matrix
from app.contributions.matrix_panel import matrix_chart, sentence
from app.digits import significant
from app.root import PROGRAM
from app.worker.client import Jobs
from cache.database import Database
from cache.evaluations import count_evaluations
from cache.queries import find_run
from core.records.spec import TextProtocol
from tests.support.commands import Cli
from tests.support.pages import open_page, said
from tests.support.stored import store_run

SMALL = ("--sequences", 4, "--window", 16, "--masks", 40)


@pytest.fixture
def other(text_file: Path, tmp_path: Path) -> Path:
    """A text of the same letters in another order."""
    file = tmp_path / "backwards.txt"
    file.write_text(text_file.read_text()[::-1])
    return file


def test_every_plan_is_judged_on_every_text(
    cli: Cli, tiny: Path, text_file: Path, other: Path, shared: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    database = shared.database
    asked = ("--model", tiny, "--corpora", f"{text_file},{other}", *SMALL, "--counts", "1,2")
    status, found, errors = cli("matrix", *asked)
    assert status == 0, errors
    assert [text["corpus"] for text in found["texts"]] == [text_file.name, other.name]
    assert len({text["run"] for text in found["texts"]}) == 2
    assert [(plan["chosen_on"], plan["count"]) for plan in found["plans"]] == [
        (name, count) for name in (text_file.name, other.name) for count in (1, 2)
    ]
    values = []
    for text in found["texts"]:
        shown = cli("show", text["run"])[1]
        plans = {plan["count"]: plan["removed"] for plan in shown["plans"]}
        mine = {plan["count"]: plan["removed"] for plan in found["plans"] if plan["run"] == text["run"]}
        assert mine == {count: plans[count] for count in (1, 2)}
        assert text["evaluation"]["split"] == "evaluation" and text["evaluation"]["sequences"] == 16
        values.append([item["value"] for item in shown["contributions"]])
    assert found["ranks"][0][1] == pytest.approx(spearmanr(*values).statistic)
    assert found["ranks"][0][0] == found["ranks"][1][1] == pytest.approx(1)
    before = count_evaluations(database)
    assert main(["matrix", *map(str, asked), "--cache", str(database.file)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert count_evaluations(database) == before, "nothing is measured twice"
    [row] = [line for line in said if line.startswith("whole model")]
    assert len(row.split()) == 4
    assert sum(line.startswith(other.name) for line in said) == 4  # two counts, the ranks, the protocol
    check_page(database, found)


def check_page(database: Database, found: dict[str, Any]) -> None:
    """The page Contributions shows what the command has measured, from each of the runs, and nothing of others."""
    first, second = (text["run"] for text in found["texts"])
    matrix = measured_matrix(database, find_run(database, second))
    assert matrix is not None and [run.run for run in matrix.runs] == [second, first]
    assert list(matrix.plans) == [1, 2], "what no text but its own has judged is left out"
    dense = np.array([text["dense_perplexity"] for text in found["texts"]])
    page = open_page("contributions", run=first, tab="matrix", removed="2")
    [table] = [frame.value for frame in page.dataframe if "chosen on" in frame.value]
    assert table["removed"].to_list() == [1, 1, 2, 2]
    for plan in found["plans"]:
        [row] = table[(table["removed"] == plan["count"]) & (table["chosen on"] == plan["chosen_on"])].to_numpy()
        assert row[2] == ", ".join(map(str, plan["removed"]))
        np.testing.assert_allclose(row[3:].astype(float), np.array(plan["perplexities"]) / dense)
    ratios = table[table["removed"] == 2].iloc[:, 3:].to_numpy(float)
    [cells] = matrix_chart(measured_matrix(database, find_run(database, first)), 2).figure.data
    assert [list(row) for row in cells.text] == [[significant(ratio) for ratio in row] for row in ratios]
    assert sentence(measured_matrix(database, find_run(database, first)), 2) in "\n".join(
        element.value for element in page.markdown
    )


PROTOCOLS = tuple(TextProtocol(name, "evaluation", 16, 16, "none", 4, None, "0" * 16) for name in ("here", "there"))


@pytest.mark.parametrize(
    ("perplexities", "said"),
    [
        ([[20, 45], [24, 30]], "On there, perplexity is **+50.0%** with the plan chosen on here"),
        ([[20, 28], [19, 30]], "On no text does a plan that was chosen on another one cost more than its own"),
        ([[20, 30], [20, 30]], "On no text does a plan that was chosen on another one cost more than its own"),
        ([[20, np.nan], [24, 30]], "On here, perplexity is **+20.0%** with the plan chosen on there"),
        ([[20, np.nan], [np.nan, 30]], "Perplexity over the whole model's (measured)."),
    ],
)
def test_the_sentence_says_what_a_foreign_plan_costs(perplexities: list[list[float]], said: str) -> None:
    """Rows are plans by the text that they were chosen on, columns the texts that judge."""
    found = CalibrationMatrix((), PROTOCOLS, (10.0, 10.0), {}, {2: np.array(perplexities)})
    assert sentence(found, 2).startswith(said)


def test_the_page_says_what_measures_it(shared: Jobs) -> None:
    run = store_run(shared.database).run
    page = open_page("contributions", run=run, tab="matrix")
    assert "No plan of this run has been judged on another text yet" in said(page)
    [line] = [element.value for element in page.code]
    assert line.startswith(f"{PROGRAM} matrix ")
    words = shlex.split(line.removeprefix(PROGRAM))
    [spec, _] = specs_of(parser().parse_args(words))
    assert spec == find_run(shared.database, run).resolved


@pytest.mark.parametrize(
    ("corpora", "counts", "kind"),
    [
        ("{one}", "1", "SelectionError"),
        ("{one},{one}", "1", "SelectionError"),
        ("{one},{one}.nowhere", "1", "CorpusError"),
        ("{one},{other}", "1,7", "SelectionError"),
        ("{one},{other}", "0", "SelectionError"),
    ],
)
def test_what_is_wrong_is_said_before_any_run(
    cli: Cli, tiny: Path, text_file: Path, other: Path, corpora: str, counts: str, kind: str
) -> None:
    texts = corpora.format(one=text_file, other=other)
    status, answer, _ = cli("matrix", "--model", tiny, "--corpora", texts, *SMALL, "--counts", counts)
    assert status == 1 and answer["error"]["kind"] == kind
    assert cli("runs")[1]["runs"] == []
