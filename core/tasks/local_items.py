"""Items of a task from a file of JSON lines: under the task's own fields, or as (context, choices, answer).

The second form is turned into the official fields, so that the prompts are the official ones; where a task is not known
here, the context of the file is the prompt.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from core.errors import TaskError
from core.files import content_of

_LARGEST = 2**30  # bytes of a file
_GIVEN: tuple[set[str], ...] = (
    {"context", "choices", "answer"},
    {"contexts", "continuation", "answer"},
    {"context", "target"},
)
_LETTERS = "ABCDEFGHIJ"
Row = dict[str, Any]


@dataclass(frozen=True)
class Local:
    """The items of one file."""

    name: str  # of the file
    items: Dataset
    overrides: dict[str, Any]  # of the task's definition


def local_items(task: str, folder: Path) -> Local:
    """The items of `task` in FOLDER/TASK.jsonl or FOLDER/TASK_anything.jsonl.

    Raises:
        TaskError: no such file, more than one, or one that is not in either form.
    """
    files = sorted(file for file in _listed(folder) if file.stem == task or file.stem.startswith(f"{task}_"))
    if len(files) != 1:
        what = "no file" if not files else f"{', '.join(file.name for file in files)}: more than one file"
        raise TaskError(f"{folder} has {what} for the task {task}.", f"It takes one, called {task}.jsonl.")
    [file] = files
    rows = _rows(file)
    if not any(form <= rows[0].keys() for form in _GIVEN):
        return Local(file.name, _dataset(file, rows), {})
    turn, overrides = _FORMS.get(task, (lambda row: row, _GENERAL))
    try:
        return Local(file.name, _dataset(file, [turn(_sound(row)) for row in rows]), overrides)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as cause:
        raise TaskError(
            f"{file} has rows that are no items of {task}: {cause!r}",
            "Each needs a context, choices, and the place of the right one as answer.",
        ) from cause


def _listed(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise TaskError(f"{folder} is no folder.", "Name one that has a file of JSON lines for each task.")
    return [file for file in folder.iterdir() if file.suffix == ".jsonl"]


def _rows(file: Path) -> list[Row]:
    try:
        lines = content_of(file, _LARGEST).decode("utf-8").split("\n")
        rows = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, RecursionError) as cause:
        raise TaskError(f"{file} cannot be read: {cause}", "It takes one JSON object a line, in UTF-8.") from cause
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise TaskError(f"{file} has no items.", "It takes one JSON object a line, in UTF-8.")
    if other := next((number for number, row in enumerate(rows) if row.keys() != rows[0].keys()), None):
        raise TaskError(f"Row {other} of {file} has other fields than the first.", "Give each the same fields.")
    return rows


def _dataset(file: Path, rows: list[Row]) -> Dataset:
    try:
        return Dataset.from_list(rows)
    except (ValueError, TypeError, OverflowError) as cause:  # pyarrow's errors are of these
        raise TaskError(f"{file} has rows of different kinds: {cause}", "Give each the same fields.") from cause


def _sound(row: Row) -> Row:
    """The row, or ValueError."""
    if "target" in row:
        # LAMBADA has a target with line breaks in it.
        if not isinstance(row["target"], str) or not row["target"] or " " in row["target"]:
            raise ValueError(f"target {row['target']!r} is not one word")
        return row
    choices, answer = row.get("contexts", row.get("choices")), row["answer"]
    if not isinstance(choices, list) or not all(isinstance(choice, str) and choice for choice in choices):
        raise ValueError(f"choices {choices!r} are no list of texts")
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(choices):
        raise ValueError(f"answer {answer!r} is none of {len(choices)} choices, counted from 0")
    return row


def _arc(row: Row) -> Row:
    labels = list(_LETTERS[: len(row["choices"])])
    return {"question": row["context"], **_lettered(row, labels)}


def _openbookqa(row: Row) -> Row:
    labels = list(_LETTERS[: len(row["choices"])])
    return {"question_stem": row["context"], **_lettered(row, labels)}


def _lettered(row: Row, labels: list[str]) -> Row:
    return {"choices": {"text": row["choices"], "label": labels}, "answerKey": labels[row["answer"]]}


def _piqa(row: Row) -> Row:
    first, second = row["choices"]
    return {"goal": row["context"], "sol1": first, "sol2": second, "label": row["answer"]}


def _hellaswag(row: Row) -> Row:
    # An unfinished sentence after whole ones is given apart in the official data, and lm-eval capitalises it.
    query = re.sub(r"(?<=[.!?]) ([a-z][^.!?]*)$", lambda found: f" {found[1].capitalize()}", row["context"])
    return {"query": query, "choices": row["choices"], "label": row["answer"]}


def _winogrande(row: Row) -> Row:
    first, second = row["contexts"]  # an option may be as long as a context: what follows the gap is the same
    answer = str(row["answer"] + 1)
    return {"sentence": f"_ {row['continuation']}", "option1": first, "option2": second, "answer": answer}


def _lambada(row: Row) -> Row:
    return {"text": f"{row['context']} {row['target']}"}


def _copa(row: Row) -> Row:
    premise, _, connector = row["context"].rpartition(" ")
    first, second = row["choices"]
    question = {"because": "cause", "therefore": "effect"}[connector]
    return {
        "premise": f"{premise.rstrip(',')}.",  # of which lm-eval takes the last letter
        "question": question,
        "choice1": first,
        "choice2": second,
        "label": row["answer"],
    }


def _boolq(row: Row) -> Row:
    text = re.sub(r"\s*Answer:$", "", row["context"].replace("\r\n", "\n").rstrip())
    passage, _, question = text.removeprefix("Passage: ").rpartition("\nQuestion: ")
    choices = [choice.strip().casefold() for choice in row["choices"]]
    if not passage or "\n" in question or "Answer:" in text or sorted(choices) != ["no", "yes"]:
        raise ValueError('a context of BoolQ ends in a line "Question: …", and its choices are no and yes')
    label = int(choices[row["answer"]] == "yes")
    return {"passage": passage, "question": question.rstrip().removesuffix("?"), "label": label}


_GENERAL: dict[str, Any] = {
    "doc_to_text": "{{context}}",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "{{answer}}",
    "process_docs": None,
}
_CLEAN: dict[str, Any] = {"process_docs": None}  # which would clean a text that is clean
_FORMS: dict[str, tuple[Callable[[Row], Row], dict[str, Any]]] = {
    "arc_easy": (_arc, {}),
    "arc_challenge": (_arc, {}),
    "openbookqa": (_openbookqa, {}),
    "piqa": (_piqa, {}),
    "hellaswag": (_hellaswag, _CLEAN),
    "winogrande": (_winogrande, {}),
    "lambada_openai": (_lambada, {}),
    "lambada_standard": (_lambada, {}),
    "copa": (_copa, {}),
    "boolq": (_boolq, {}),
}
