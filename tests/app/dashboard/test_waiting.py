"""What a job that waits says: its place in the queue, what goes on meanwhile, and how far that is."""

from typing import get_args

import pytest

from app.dashboard.progress import held_up, stage_of, task_name
from app.worker.job import Job, Task, line_up
from core.records.events import Searching, Stage
from core.records.spec import RunSpec


def test_who_waits_says_behind_what() -> None:
    spec = RunSpec("a/<model>", "python-docs")
    search, first, export = Job(spec, "select", {"run": "ab12"}), Job(spec, "run"), Job(spec, "export", {"run": "cd34"})
    preview = Job(spec, "measure", {"removed": (1,)}, asking="a browser")
    jobs = [search, first, export, preview]
    line_up(jobs, [])
    assert (
        held_up(export) == "Waiting for its turn, place 3 in the queue" and stage_of(preview) == "Waiting for its turn"
    )
    search.hear(Searching(0.25))
    line_up(jobs, [search.name])
    going = "Search · `a/<model>` · `ab12`, 25% of its budget"
    assert held_up(export) == f"Waiting for its turn, place 2 in the queue: after {going}"
    assert stage_of(preview) == f"Next, between two evaluations: {going}"
    preview.hear(Stage("Another model is being measured; waiting for its end"))
    assert stage_of(preview) == f"Another model is being measured; waiting for its end: {going}"
    assert held_up(search) == "", "it goes on"
    export.status = "cancelling"
    assert held_up(export) == "Cancelling after the evaluation under way"


@pytest.mark.parametrize("what", get_args(Task))
def test_every_task_has_a_name(what: Task, spec: RunSpec) -> None:
    kind, model = task_name(Job(spec, what)).split(" · ")
    assert kind and model
