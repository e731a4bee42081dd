"""Tasks as lm-eval (EleutherAI's Language Model Evaluation Harness) defines them, with items of the Hub or of files.

A task is built from its own definition alone: lm-eval's own index reads every one of its 14,000 first.
"""

import io
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

from core.errors import TaskError
from core.records.behaviour.task_scores import OWN_TASKS, PAPER_TASKS
from core.tasks.local_items import Local, local_items
from core.tasks.named_task import NamedTask
from core.text.patience import patiently

SILENCE = 120.0  # seconds without a new byte: a data set that has come is then written in another form
_SEED = 1234  # lm-eval's own, of the examples before an item
_CHOOSING = ("multiple_choice", "loglikelihood")


def tasks_of_lm_eval(names: Sequence[str], data: Path | None, shots: int | None, limit: int | None) -> list[NamedTask]:
    """As `naming.tasks_named`, of tasks that are lm-eval's alone."""
    definitions = [_definition(name) for name in names]
    files = [local_items(name, data) if data is not None else None for name in names]
    found = [_built(*each, shots) for each in zip(names, definitions, files, strict=True)]
    for task in found:
        _ask(task, limit)
        _check_answers(task)
    return found


@contextmanager
def _quietly() -> Iterator[None]:
    """Without lm-eval's notices and bars, which it draws for every task and cannot be told not to."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    with redirect_stderr(io.StringIO()):
        yield


@cache
def _definition(name: str) -> dict[str, Any]:
    """What lm-eval says of a task, if it is of a kind that can be measured."""
    folder = Path(lm_eval.tasks.__file__).parent
    names_it = re.compile(rf"^task: *[\"']?{re.escape(name)}[\"']? *$", re.MULTILINE)
    likely = name.partition("_")[0]
    files = sorted(folder.rglob("*.yaml"), key=lambda file: (likely not in file.parts, file))
    for file in files:
        if names_it.search(file.read_text(encoding="utf-8", errors="replace")):
            break
    else:
        raise TaskError(
            f"lm-eval knows no task {name}.",
            f"Name single tasks, not groups of them; those of the literature are {', '.join(PAPER_TASKS)}, and "
            f"{', '.join(OWN_TASKS)} need no data.",
        )
    kind = load_yaml(file, resolve_func=False).get("output_type", "generate_until")
    if kind not in _CHOOSING:
        raise TaskError(
            f"{name} is a task of the kind {kind}.",
            "Quorum measures tasks that choose among answers, or say how likely one is.",
        )
    try:
        found = load_yaml(file)
    except ImportError as cause:  # of the functions that it names
        raise TaskError(f"{name} cannot be read: {cause}.", "Install what it needs, or choose another task.") from cause
    return {key: value for key, value in found.items() if key not in ("tag", "group", "task_list")}


def _built(name: str, definition: dict[str, Any], file: Local | None, shots: int | None) -> NamedTask:
    config = deepcopy(definition)
    split = str(config.get("test_split") or config.get("validation_split"))
    if shots is not None:
        config["num_fewshot"] = shots
    if file is not None:
        config |= file.overrides | {"training_split": None, "validation_split": None, "test_split": split}
        config |= {"custom_dataset": lambda **_: {split: file.items}, "fewshot_config": None}
        config["fewshot_split"] = split if config.get("num_fewshot") else None
        if config.get("num_fewshot", 0) and config["num_fewshot"] >= len(file.items):
            raise TaskError(
                f"{file.name} has {len(file.items)} items, too few for {config['num_fewshot']} examples before each.",
                "Ask for fewer with --shots, or give the file more items.",
            )
    build = partial(ConfigurableTask, config=config)
    try:
        with _quietly():
            built = build() if file is not None else patiently(build, str(config.get("dataset_path")), SILENCE)
    except Exception as cause:  # of datasets, the Hub's client, the network; or of templates that rows do not suit
        if file is not None:
            raise _unsuited(name, file.name, cause) from cause
        raise TaskError(
            f"The items of {name} cannot be had: {str(cause).splitlines()[0] if str(cause) else repr(cause)}",
            "Name a folder that has them with --data FOLDER, or try again where the Hub can be reached.",
        ) from cause
    source = file.name if file is not None else str(config.get("dataset_path"))
    return NamedTask(name, built, split, source, str(built.VERSION), int(built.config.num_fewshot or 0))


def _ask(task: NamedTask, limit: int | None) -> None:
    """Has lm-eval write the prompts of the first items."""
    try:
        with _quietly():
            task.built.set_fewshot_seed(_SEED)
            task.built.build_all_requests(limit=limit, rank=0, world_size=1)
    except Exception as cause:  # whatever its templates raise on fields that are not there
        raise _unsuited(task.name, task.source, cause) from cause


def _check_answers(task: NamedTask) -> None:
    """TaskError where an item's right answer is none of its choices: lm-eval counts it as wrong."""
    if task.built.OUTPUT_TYPE != "multiple_choice":
        return
    for number, document in {request.doc_id: request.doc for request in task.built.instances}.items():
        choices = task.built.doc_to_choice(document)
        right = (task.built.doc_to_text if task.built.multiple_input else task.built.doc_to_target)(document)
        for one in right if isinstance(right, list) else [right]:
            if not (one in choices if isinstance(one, str) else 0 <= one < len(choices)):
                raise TaskError(
                    f"{task.source} has an item of {task.name}, number {number}, whose right answer is {one!r}.",
                    f"Mend it, or leave it out: it has {len(choices)} choices, counted from 0.",
                )


def _unsuited(name: str, source: str, cause: Exception) -> TaskError:
    return TaskError(
        f"{source} has items that the task {name} cannot ask: {cause}.",
        "Give each row the task's own fields, or context, choices and answer.",
    )
