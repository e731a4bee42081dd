"""Items of lm-eval's tasks from the Hub, and no forward where they cannot be had."""

import json
import time
from pathlib import Path

import pytest

from cache.in_memory import InMemory
from cache.store import Store
from core.errors import TaskError
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.tasks import harness
from core.tasks.answering import Questions, answered
from core.tasks.naming import tasks_named
from tests.support.hub.repositories import Repository
from tests.support.hub.server import Fault, Hub

SPLITS = ("train", "validation", "test")


def openbookqa() -> Repository:
    """Six items a split, each of four choices."""
    files = {
        f"main/{split}.jsonl": "\n".join(
            json.dumps(
                {
                    "id": f"{split}-{number}",
                    "question_stem": f"The {number}th sun is",
                    "choices": {"text": ["a star", "a stone", "a song", "a sea"], "label": ["A", "B", "C", "D"]},
                    "answerKey": "ABCD"[number % 4],
                }
            )
            for number in range(6)
        ).encode()
        for split in SPLITS
    }
    named = "".join(f"  - split: {split}\n    path: main/{split}.jsonl\n" for split in SPLITS)
    card = f"---\nconfigs:\n- config_name: main\n  data_files:\n{named}---\n"
    return Repository("allenai/openbookqa", {"README.md": card.encode(), **files}, kind="datasets")


def test_a_task_reads_its_own_data_set(hub: Hub) -> None:
    hub.add(openbookqa())
    [task] = tasks_named(["openbookqa"], None, None, 4)
    assert (task.split, task.source) == ("test", "allenai/openbookqa")
    contexts = [request.args[0] for request in task.built.instances]
    assert len(contexts) == 16 and contexts[0] == "The 0th sun is"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("/api/", silent=60), "no answer for 1 s"),
        (Fault("/api/", status=503), "cannot be had"),
        (None, "cannot be had"),  # nothing of that name
    ],
)
def test_without_an_answer_it_ends_in_words_before_any_forward(
    hub: Hub, tiny: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault | None, said: str
) -> None:
    monkeypatch.setattr(harness, "SILENCE", 1.0)
    if fault is not None:
        hub.add(openbookqa())
        hub.faults = [fault]
    begun, told = time.monotonic(), []
    spec = RunSpec(str(tiny), dtype="float32", device="cpu")
    asked = Engine(Store(InMemory())).lend(
        lambda store, games: answered(store, games, spec, Questions(("openbookqa",)), [(1,)])
    )
    with pytest.raises(TaskError, match=said) as refused:
        told += list(asked)
    assert "--data FOLDER" in refused.value.hint
    assert not any("Loading" in str(event) for event in told), "the weights were not read"
    assert time.monotonic() - begun < 50
