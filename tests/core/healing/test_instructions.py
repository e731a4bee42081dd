"""Instructions from files: their tokens, which of them are predicted, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from datasets import Dataset

from core.errors import CorpusError
from core.healing.examples import Material
from core.healing.instructions import of_instructions
from core.model.model import LoadedModel
from core.records.mends import HEALS, Heal

ROWS = [
    {"instruction": f"Add {n} and {n}.", "input": "Briefly." if n % 3 else "", "output": f"It is {2 * n}."}
    for n in range(40)
]


def read(loaded: LoadedModel, file: Path, heal: Heal) -> Material:
    return of_instructions(str(file), loaded.checkpoint.tokenizer, 258, "tiny", heal)


@pytest.mark.parametrize("form", [".jsonl", ".json", ".csv"])
def test_the_answer_alone_is_predicted(form: str, tiny_loaded: LoadedModel, tmp_path: Path) -> None:
    file, table = tmp_path / f"rows{form}", Dataset.from_list(ROWS)
    match form:
        case ".csv":
            table.to_csv(file)
        case ".json":
            file.write_text(json.dumps(ROWS))
        case _:
            table.to_json(file)
    found = read(tiny_loaded, file, replace(HEALS["paper"], cutoff=400))
    tokenizer = tiny_loaded.checkpoint.tokenizer
    split = table.train_test_split(test_size=10, shuffle=True, seed=42)
    for part, examples in (("train", found.train), ("test", found.held)):
        assert len(examples) == len(split[part])
        for row, example in zip(split[part], examples, strict=True):
            prompt = tokenizer.decode(example.ids[: example.start])
            assert prompt.endswith("### Response:\n") and f"### Instruction:\n{row['instruction']}\n" in prompt
            assert ("### Input:\nBriefly.\n" in prompt) == bool(row["input"])
            assert tokenizer.decode(example.ids[example.start :]) == row["output"] + tokenizer.eos_token


def test_long_ones_are_cut_and_those_without_an_answer_left_out(tiny_loaded: LoadedModel, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    long = [{"instruction": "Go on. " * 60, "output": "No."}, {"instruction": "Go on.", "output": "And so on. " * 50}]
    file.write_text("\n".join(map(json.dumps, [*long, *ROWS])))
    found = read(tiny_loaded, file, replace(HEALS["short"], cutoff=256))
    every = [*found.train, *found.held]
    assert len(every) == 41 and max(len(one.ids) for one in every) == 256 and "41 instructions" in found.text


def test_what_holds_no_instructions_is_refused_by_name(tiny_loaded: LoadedModel, tmp_path: Path) -> None:
    good = json.dumps(ROWS[0])
    for content, name, words in (
        ("\n".join([good] * 20 + ['{"instruction": "Go."}']), "a.jsonl", "Line 21 of a.jsonl has no text in output"),
        (
            "\n".join([good, '{"prompt": "Go.", "output": "."}']),
            "a.jsonl",
            "Line 2 .* no text in instruction; .* prompt",
        ),
        ('{"instruction": "Go.", "input": 3, "output": "."}', "a.jsonl", "Line 1 .* no text in input"),
        ("[1, 2]", "a.json", "Row 1 of a.json is no object"),
        (good + "\n{", "a.jsonl", "Line 2 of a.jsonl is cut off"),
        ("\n".join([good] * 3), "a.jsonl", "3 instructions .* at least 16"),
        (good, "a.txt", "of a kind that cannot be read"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(CorpusError, match=words):
            read(tiny_loaded, tmp_path / name, HEALS["short"])
    with pytest.raises(CorpusError, match="There is no file"):
        read(tiny_loaded, tmp_path / "none.jsonl", HEALS["short"])
