"""Accuracies are those of lm-eval's own HFLM on the exported folder, item by item, however they are asked for."""

import json
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lm_eval.models.huggingface
import numpy as np
import pytest
import quorum
from lm_eval.evaluator import evaluate

from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import Masks, encode
from core.errors import EvaluationError, TaskError
from core.evaluate.game import Games
from core.model.model import LoadedModel
from core.pauses import come
from core.records.behaviour.task_scores import Answer, ModelScores
from core.records.events import Event, Progress
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.tasks import answering
from core.tasks.answering import Questions, answered
from core.tasks.items import Item, encoded, items_of
from core.tasks.likelihood import Likelihoods
from core.tasks.named_task import NamedTask
from core.tasks.naming import tasks_named
from tests.support.commands import Cli
from tests.support.finished import Finished
from tests.support.models import recipe_of
from tests.support.tasks.made_items import MADE, save_items

NAMES = list(MADE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_items(tmp_path_factory.mktemp("items"))


@pytest.fixture
def spec(tiny: Path) -> RunSpec:
    return RunSpec(model=str(tiny), dtype="float32", device="cpu")


def asked(folder: Path, *names: str, shots: int | None = None) -> list[NamedTask]:
    return tasks_named(names or NAMES, folder, shots, None)


def done(store: Store, spec: RunSpec, questions: Questions, *removals: Sequence[int]) -> list[ModelScores]:
    work = answered(store, Games(store), spec, questions, removals or [()])
    return come(work)[1]


@pytest.mark.parametrize("name", NAMES)
def test_prompts_are_the_official_ones(folder: Path, name: str) -> None:
    [task] = asked(folder, name)
    first = [request.args for request in task.built.instances if request.doc_id == 0]
    assert first == list(MADE[name][1])
    row = MADE[name][0][0]
    right = row.get("answer", row.get("label"))
    if right is not None:
        judged = [(0.0 if place == right else -9.0, False) for place in range(len(first))]
        assert task.built.process_results(task.built.task_docs[0], judged)["acc"] == 1


@pytest.mark.parametrize("before", ["", "Passage: "])
@pytest.mark.parametrize("after", ["", "?", "?\nAnswer:", "\n", "?\n\nAnswer:", "? Answer: ", "?\r\nAnswer:"])
def test_boolq_with_its_fields_in_one_context(tmp_path: Path, before: str, after: str) -> None:
    """The official prompt and answers, in whichever order the choices are."""
    rows = [
        {
            "context": f"{before}Ice floats.\nIt does.\nQuestion: does ice float{after}",
            "choices": choices,
            "answer": place,
        }
        for choices, place in ((["no", "yes"], 1), (["Yes", "No"], 1))
    ]
    [task] = asked(save_items(tmp_path / "boolq", {"boolq": rows}), "boolq")
    prompt = "Ice floats.\nIt does.\nQuestion: does ice float?\nAnswer:"
    assert [request.args for request in task.built.instances] == [(prompt, " no"), (prompt, " yes")] * 2
    assert [document["label"] for document in task.built.task_docs] == [1, 0]


@pytest.mark.parametrize(
    "row",
    [
        *({"context": context} for context in ("Does ice float?", "Ice floats. Question: does ice float?")),
        *({"context": f"Ice floats.\nQuestion: does ice float?\n{more}"} for more in ("Answer: yes", "Is it so?")),
        {"choices": ["never", "always"]},
    ],
)
def test_a_context_that_is_none_of_boolq_is_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    sound = {"context": "Ice floats.\nQuestion: does ice float?", "choices": ["no", "yes"], "answer": 1}
    with pytest.raises(TaskError, match="its choices are no and yes"):
        asked(save_items(tmp_path / "boolq", {"boolq": [{**sound, **row}]}), "boolq")


def hflm(folder: Path, tasks: list[NamedTask], batch: int) -> dict[str, Any]:
    """What lm-eval itself says of a folder."""
    model = lm_eval.models.huggingface.HFLM(pretrained=str(folder), batch_size=batch, device="cpu", dtype="float32")
    return dict(evaluate(model, {task.name: task.built for task in tasks}, bootstrap_iters=2))


@pytest.mark.parametrize(("removed", "batch"), [((), 1), ((1, 5), 1), ((1, 5), 4), ((1, 5), 16), ((0, 2, 3), 16)])
def test_item_by_item_as_lm_eval_on_the_exported_folder(
    folder: Path,
    spec: RunSpec,
    tiny_loaded: LoadedModel,
    text_file: Path,
    tmp_path: Path,
    removed: tuple[int, ...],
    batch: int,
) -> None:
    tasks, store = asked(folder, shots=0), Store(InMemory())
    [ours] = done(store, spec, Questions(tuple(NAMES), folder, shots=0), removed)
    exported = Path(spec.model)
    if removed:
        exported = tmp_path / "smaller"
        text = replace(spec, corpus=str(text_file), sequences=4, window=16)
        for _ in Engine(store).export(replace(recipe_of(tiny_loaded, removed), spec=text), exported):
            pass
    theirs = hflm(exported, asked(folder, shots=0), batch)
    mask = "".join("0" if layer in removed else "1" for layer in range(8))
    for task, score in zip(tasks, ours.tasks, strict=True):
        items = items_of(task, tiny_loaded.checkpoint)
        answers = store.answers(tiny_loaded.info, mask, [item.digest for item in items])
        for sample, item in zip(theirs["samples"][task.name], items, strict=True):
            responses = [response for [response] in sample["resps"]]
            found = answers[item.digest]
            np.testing.assert_allclose(found.likelihoods, [value for value, _ in responses], rtol=1e-5)
            assert found.greedy == tuple(greedy for _, greedy in responses)
        for metric in score.metrics:
            assert metric.value == pytest.approx(theirs["results"][task.name][f"{metric.name},none"], rel=1e-5)
            error = theirs["results"][task.name][f"{metric.name}_stderr,none"]
            if metric.name.startswith("acc") and score.items > 1:
                assert metric.error == pytest.approx(error)


def test_neither_order_nor_company_changes_an_answer(folder: Path, spec: RunSpec, tiny_loaded: LoadedModel) -> None:
    forward, backward, alone = Store(InMemory()), Store(InMemory()), Store(InMemory())
    [one] = done(forward, spec, Questions(tuple(NAMES), folder), (3,))
    [other] = done(backward, spec, Questions(tuple(reversed(NAMES)), folder), (3,))
    for name in NAMES:
        done(alone, spec, Questions((name,), folder), (3,))
    assert sorted(one.tasks, key=lambda it: it.task) == sorted(other.tasks, key=lambda it: it.task)
    digests = [it.digest for task in asked(folder) for it in items_of(task, tiny_loaded.checkpoint)]
    same = [store.answers(tiny_loaded.info, "11101111", digests) for store in (forward, backward, alone)]
    assert same[0] == same[1] == same[2] and len(same[0]) == len(set(digests))


def test_no_item_is_measured_twice(folder: Path, spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped anywhere and asked again, alone or among other tasks."""
    measured: list[str] = []

    class Counting(Likelihoods):
        def answers(self, item: Item, masks: Masks) -> Iterator[tuple[int, Answer]]:
            for row, answer in super().answers(item, masks):
                measured.append(encode(masks[row]) + item.digest)
                yield row, answer

    monkeypatch.setattr(answering, "Likelihoods", Counting)
    monkeypatch.setattr(answering, "_EVERY", 0.0)
    store = Store(InMemory())
    every = Questions(tuple(NAMES), folder)
    begun: Generator[Event, None, Any] = answered(store, Games(store), spec, every, [(), (2,)])
    for event in begun:
        if isinstance(event, Progress) and event.done >= 4:
            break
    begun.close()
    assert 4 <= len(measured) < event.total
    done(store, spec, Questions(("piqa",), folder), ())
    done(store, spec, every, (), (2,))
    assert len(measured) == len(set(measured)) == event.total
    assert [one.removed for one in done(store, spec, every, (2,), (), (2,))] == [(2,), ()]
    assert len(measured) == event.total


def test_what_was_answered_of_an_item_outlives_a_stop_in_the_middle_of_it(
    folder: Path, spec: RunSpec, tiny_loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three plans answer item by item; the second item is stopped after its first answer."""
    told: list[str] = []

    class Stopped(Likelihoods):
        def answers(self, item: Item, masks: Masks) -> Iterator[tuple[int, Answer]]:
            for row, answer in super().answers(item, masks):
                if len(told) == 4:
                    raise KeyboardInterrupt
                told.append(encode(masks[row]) + item.digest)
                yield row, answer

    monkeypatch.setattr(answering, "Likelihoods", Stopped)
    store, questions, removals = Store(InMemory()), Questions(("piqa",), folder), ((), (2,), (3,))
    with pytest.raises(KeyboardInterrupt):
        done(store, spec, questions, *removals)
    [task] = asked(folder, "piqa")
    digests = [item.digest for item in items_of(task, tiny_loaded.checkpoint)]
    masks = ["".join("01"[layer not in gone] for layer in range(8)) for gone in removals]
    kept = [mask + digest for mask in masks for digest in store.answers(tiny_loaded.info, mask, digests)]
    assert sorted(kept) == sorted(told) and len(set(told)) == 4


def test_examples_before_an_item_are_other_questions_and_always_the_same(spec: RunSpec, tmp_path: Path) -> None:
    rows = [{"context": f"How do I do {n}?", "choices": [f"so {n}", f"thus {n}"], "answer": n % 2} for n in range(7)]
    folder, store = save_items(tmp_path / "items", {"piqa": rows}), Store(InMemory())
    scored = [done(store, spec, Questions(("piqa",), folder, shots=shots), (), (4,)) for shots in (0, 2, 2)]
    assert scored[1] == scored[2]
    assert [one.tasks[0].shots for one in (scored[0][0], scored[1][0])] == [0, 2]
    without, first, second = ([task] for [task] in (asked(folder, "piqa", shots=shots) for shots in (0, 2, 2)))
    prompts = [[request.args[0] for request in task.built.instances] for [task] in (without, first, second)]
    assert prompts[1] == prompts[2] != prompts[0]
    for plain, examples in zip(prompts[0], prompts[1], strict=True):
        assert examples.endswith(plain) and examples.count("Question:") == 3 and examples.count(plain) == 1


def test_answers_that_are_no_numbers_are_an_error_and_are_not_kept(
    folder: Path, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Likelihoods):
        def answers(self, item: Item, masks: Masks) -> Iterator[tuple[int, Answer]]:
            for row, found in super().answers(item, masks):
                yield row, found._replace(likelihoods=(math.nan, *found.likelihoods[1:]))

    store, questions = Store(InMemory()), Questions(("piqa",), folder)
    monkeypatch.setattr(answering, "Likelihoods", Broken)
    with pytest.raises(EvaluationError, match="no numbers"):
        done(store, spec, questions)
    monkeypatch.undo()
    assert done(store, spec, questions)[0].tasks[0].items == 2


@pytest.mark.parametrize(
    ("names", "files", "words"),
    [
        (["nothing_like_it"], {}, "knows no task nothing_like_it"),
        (["gsm8k"], {}, "of the kind generate_until"),
        (["piqa"], {}, "no file for the task piqa"),
        (["piqa"], {"piqa.jsonl": "{}\n", "piqa_two.jsonl": "{}\n"}, "more than one file"),
        (["piqa"], {"piqa.jsonl": "no json\n"}, "cannot be read"),
        (["piqa"], {"piqa.jsonl": "[1]\n"}, "has no items"),
        (["piqa"], {"piqa.jsonl": "\n"}, "has no items"),
        (["piqa"], {"piqa.jsonl": '{"context": "a", "choices": 3, "answer": 0}\n'}, "no items of piqa"),
        (["arc_easy"], {"arc_easy.jsonl": '{"context": "a", "choices": ["b"], "answer": 4}\n'}, "no items of arc_easy"),
        (["copa"], {"copa.jsonl": '{"context": "a b", "choices": ["c", "d"], "answer": 1}\n'}, "no items of copa"),
        (["piqa"], {"piqa.jsonl": '{"question": "of another task"}\n'}, "cannot ask"),
        (["piqa"], {"piqa.jsonl": '{"context": "a", "choices": ["b", "c"], "answer": 7}\n'}, "answer 7 is none of 2"),
        (["piqa"], {"piqa.jsonl": '{"context": "a", "choices": ["b", "c"], "answer": "1"}\n'}, "answer '1' is none"),
        (["piqa"], {"piqa.jsonl": '{"context": "a", "choices": "bc", "answer": 0}\n'}, "no list of texts"),
        (["piqa"], {"piqa.jsonl": '{"context": "a", "choices": ["b", "c", "d"], "answer": 0}\n'}, "no items of piqa"),
        (["piqa"], {"piqa.jsonl": '{"goal": "a", "sol1": "b", "sol2": "c", "label": -1}\n'}, "right answer is -1"),
        (["piqa"], {"piqa.jsonl": '{"goal": "a", "sol1": "b"}\n{"goal": "a"}\n'}, "Row 1 of .* other fields"),
        (["lambada_openai"], {"lambada_openai.jsonl": '{"context": "a", "target": "New York"}\n'}, "not one word"),
        (["piqa", "piqa"], {}, "one twice"),
        ([], {}, "No task"),
    ],
)
def test_what_cannot_be_asked_is_named(tmp_path: Path, names: list[str], files: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(TaskError, match=words):
        tasks_named(names, tmp_path, None, None)


def test_an_item_longer_than_the_models_positions(spec: RunSpec, tmp_path: Path) -> None:
    rows = [*MADE["piqa"][0], {"context": "on and on " * 40, "choices": ["a", "b"], "answer": 0}]
    folder = save_items(tmp_path / "long", {"piqa": rows})
    with pytest.raises(TaskError, match="Item 2 of piqa has"):
        done(Store(InMemory()), spec, Questions(("piqa",), folder))
    assert done(Store(InMemory()), spec, Questions(("piqa",), folder, limit=2))[0].tasks[0].items == 2


def test_a_line_of_json_ends_where_a_line_ends(tmp_path: Path) -> None:
    row = {"context": "one\u2028two\u0085three", "choices": ["a", "b"], "answer": 0}
    (tmp_path / "piqa.jsonl").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    [task] = asked(tmp_path, "piqa")
    assert task.built.instances[0].args[0] == "Question: one\u2028two\u0085three\nAnswer:"


def test_a_context_that_ends_in_spaces_gives_them_to_what_follows(tiny_loaded: LoadedModel) -> None:
    tokenizer = tiny_loaded.checkpoint.tokenizer
    assert encoded(tokenizer, "a ", "b") == encoded(tokenizer, "a", " b")
    first, rest = encoded(tokenizer, "", "b")
    assert first == (tokenizer.bos_token_id,) and tokenizer.decode(rest) == "b"


def test_from_the_command_line(
    cli: Cli, finished: Finished, text_file: Path, tiny: Path, folder: Path, cache_file: Path
) -> None:
    [run] = finished(RunSpec(model=str(tiny), corpus=str(text_file), sequences=4, window=16, masks=50))
    status, answer, errors = cli("tasks", run, "--remove", "1,2", "--tasks", "piqa,copa", "--data", folder)
    assert status == 0, errors
    whole, pruned = answer["scores"]
    assert (whole["removed"], pruned["removed"]) == ([], [1, 2])
    assert [task["task"] for task in pruned["tasks"]] == ["piqa", "copa"]
    assert {metric["name"] for metric in whole["tasks"][0]["metrics"]} == {"acc", "acc_norm"}
    table = quorum.load(run, cache=cache_file).tasks(["piqa", "copa"], remove=[1, 2], data=folder)
    told = [
        (list(map(str, model["removed"])), task["task"], metric["name"], metric["value"], metric["error"])
        for model in (whole, pruned)
        for task in model["tasks"]
        for metric in task["metrics"]
    ]
    columns = [list(table[name]) for name in ("removed", "task", "metric", "value", "error")]
    unknown = [(*row[:4], None if np.isnan(row[4]) else row[4]) for row in zip(*columns, strict=True)]
    assert [(list(map(str, row[0])), *row[1:]) for row in unknown] == told
    status, answer, _ = cli("tasks", run, "--plan", "3", "--tasks", "piqa", "--data", folder)
    assert status == 1 and answer["error"]["kind"] == "RunNotFound" and "select" in answer["error"]["hint"]
    assert cli("tasks", "--model", tiny, "--remove", "9", "--tasks", "piqa", "--data", folder)[0] == 1
    with pytest.raises(SystemExit):
        cli("tasks", run, "--model", tiny, "--tasks", "piqa", "--data", folder)
    with pytest.raises(SystemExit):
        cli("tasks", "--plan", "3", "--tasks", "piqa", "--data", folder)
