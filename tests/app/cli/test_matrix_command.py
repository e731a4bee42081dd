"""`matrix`: plans of several texts, each judged on all; its figures are those of single commands."""

from pathlib import Path

import pytest
from scipy.stats import spearmanr

from app.__main__ import main
from cache.database import Database
from cache.evaluations import count_evaluations
from tests.support.commands import Cli

SMALL = ("--sequences", 4, "--window", 16, "--masks", 40)


@pytest.fixture
def other(text_file: Path, tmp_path: Path) -> Path:
    """A text of the same letters in another order."""
    file = tmp_path / "backwards.txt"
    file.write_text(text_file.read_text()[::-1])
    return file


def test_every_plan_is_judged_on_every_text(
    cli: Cli, tiny: Path, text_file: Path, other: Path, cache_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    before = count_evaluations(Database(cache_file))
    assert main(["matrix", *map(str, asked), "--cache", str(cache_file)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert count_evaluations(Database(cache_file)) == before, "nothing is measured twice"
    [row] = [line for line in said if line.startswith("whole model")]
    assert len(row.split()) == 4
    assert sum(line.startswith(other.name) for line in said) == 4  # two counts, the ranks, the protocol


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
