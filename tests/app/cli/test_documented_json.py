"""The keys of every command's JSON are those in docs/cli.md: no key more, no key less."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.root import ROOT
from tests.support.commands import Cli


def test_json_has_the_keys_that_are_documented(cli: Cli, tiny: Path, text_file: Path, tmp_path: Path) -> None:
    text = ("--model", tiny, "--corpus", text_file)
    small = (*text, "--sequences", 4, "--window", 16)

    def says(command: str, *arguments: object) -> dict[str, Any]:
        status, answer, errors = cli(*command.split(), *arguments)
        assert status == 0, errors
        assert set(answer) == documented(command), command
        return answer

    run = says("run", *small, "--masks", 50)["run"]
    says("runs")
    says("label", run, "--name", "first try")
    says("values", run, "--value", "shapley", "--check")
    says("interactions", run)
    says("predict", run, "--remove", "1,2")
    says("select", run, "--most", 2, "--units", 0.1)
    says("compare", *small, "--methods", "random,shortgpt", "--counts", "1,2")
    other = tmp_path / "other.txt"
    other.write_text(text_file.read_text()[::-1])
    says("matrix", "--model", tiny, "--corpora", f"{text_file},{other}", *small[4:], "--masks", 40, "--counts", 1)
    says("perplexity", *text, "--window", 16, "--windows", 2)
    says("behaviour", run, "--remove", "1,2", "--tokens", 2, "--windows", 2)
    says("agreement", run, "--windows", 2)
    says("export", run, "--remove", "1,2", "--out", tmp_path / "smaller")
    if find_spec("peft") is not None:
        says("heal", run, "--remove", "1,2", "--steps", 1, "--out", tmp_path / "healed")
    says("speed", run, "--remove", "1,2", "--tokens", 2, "--runs", 2, "--warm-up", 0)
    says("recipe", run, "--remove", "1,2")
    says("report", run, "--remove", "1,2", "--out", tmp_path / "report.html")
    says("figures", run, "--remove", "1,2", "--out", tmp_path / "figures")
    says("evaluations export", run, "--out", tmp_path / "all.parquet")
    item = '{"context": "It rained because", "choices": ["a", "b"], "answer": 0}'
    (tmp_path / "copa.jsonl").write_text("\n".join([item, item.replace("0", "1")] * 2))
    says("tasks", run, "--tasks", "copa", "--data", tmp_path)
    says("needs", run, "--tasks", "copa", "--data", tmp_path, "--masks", 10)
    says("completion", "bash")
    says("evaluations import", tmp_path / "all.parquet")
    [taken] = says("evaluations imports")["imports"]
    says("evaluations remove", taken["sha256"])
    says("doctor")
    _, answer, _ = cli("audit", run)
    assert set(answer) == documented("audit")
    status, answer, _ = cli("show", run)
    assert status == 0 and set(answer) == documented("show") | documented("run")


def documented(command: str) -> set[str]:
    """The keys in the table of a command's section of docs/cli.md."""
    section = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").split(f"\n## {command}\n")[1].split("\n## ")[0]
    rows = section.split("| key | holds |\n| --- | --- |\n")[1]
    cells = re.findall(r"^\| (`.+?`) \|", rows, re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
