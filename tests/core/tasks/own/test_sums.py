"""The list of sums is right and always the same, and is scored as plain transformers forwards say."""

import hashlib
import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cache.in_memory import InMemory
from cache.store import Store
from core.coalitions.masks import encode, without
from core.errors import TaskError
from core.evaluate.game import Games
from core.model.model import LoadedModel
from core.pauses import come
from core.records.behaviour.needs import MARGIN
from core.records.spec import RunSpec
from core.tasks.answering import Questions, answered
from core.tasks.items import items_of
from core.tasks.naming import tasks_named
from core.tasks.worths import worths
from tests.support.commands import Cli

REMOVED = (2, 5)


def test_every_sum_is_right_among_wrong_ones_and_the_list_stays_what_it_is() -> None:
    [task] = tasks_named(["sums"], None, None, None)
    documents = task.built.documents
    assert len({document["sum"] for document in documents}) == 90
    for document in documents:
        first, sign, second = document["sum"].split()
        right = {"+": int(first) + int(second), "-": int(first) - int(second), "*": int(first) * int(second)}[sign]
        choices = document["choices"]
        assert choices[document["answer"]] == right >= 0 and len({*choices}) == 4
        assert len({len(str(choice)) for choice in choices}) == 1, "no answer is likelier for being shorter"
    prompts = [request.args for request in task.built.instances]
    said = hashlib.sha256(json.dumps(prompts).encode()).hexdigest()[:16]
    assert (task.version, said) == ("2", "c731fda98362ebb0"), (
        "answers are kept by version: a change of the list needs another"
    )
    assert all(f"\n{document['sum']} =" not in prompts[0][0] for document in documents[1:])


def test_no_answer_is_the_beginning_of_another_number(tiny_loaded: LoadedModel) -> None:
    """A model that writes 42 does not write 4, though every byte is a token of its own."""
    [task] = tasks_named(["sums"], None, None, None)
    encode_all = tiny_loaded.checkpoint.tokenizer
    for item in items_of(task, tiny_loaded.checkpoint):
        for choice, (_, tokens) in zip(item.document["choices"], item.tokens, strict=True):
            longer = [encode_all(f" {choice}{digit}\n", add_special_tokens=False)["input_ids"] for digit in range(10)]
            assert not any(tuple(other[: len(tokens)]) == tokens for other in longer)


def test_scores_and_margins_are_those_of_plain_forwards(tiny: Path, tiny_loaded: LoadedModel) -> None:
    store, spec = Store(InMemory()), RunSpec(model=str(tiny), dtype="float32", device="cpu")
    [task] = tasks_named(["sums"], None, None, 8)
    work = answered(store, Games(store), spec, Questions(("sums",), limit=8), [(), REMOVED])
    info, found = come(work)
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    for removed, scores in zip(((), REMOVED), found, strict=True):
        model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
        for layer in reversed(removed):
            del model.model.layers[layer]
        right, exact, margins = [], [], []
        for document in task.built.documents:
            context = f"4 + 5 = 9\n13 - 6 = 7\n3 * 8 = 24\n{document['sum']} ="
            begin = len(tokenizer(context)["input_ids"])
            likely, greedy = [], []
            for choice in document["choices"]:
                ids = torch.tensor([tokenizer(f"{context} {choice}\n")["input_ids"]])
                with torch.no_grad():
                    logits = model(ids, use_cache=False).logits[0, begin - 1 : -1].log_softmax(-1)
                likely.append(float(logits.gather(-1, ids[0, begin:, None]).sum()))
                greedy.append(bool((logits.argmax(-1) == ids[0, begin:]).all()))
            place = document["answer"]
            right.append(likely[place] == max(likely))
            exact.append(greedy[place])
            margins.append(likely[place] - max(one for other, one in enumerate(likely) if other != place))
        [score] = scores.tasks
        acc, match = score.metrics
        assert (acc.name, acc.value) == ("acc", np.mean(right)) and (match.name, match.value) == (
            "exact_match",
            np.mean(exact),
        )
        assert acc.error == pytest.approx(np.std(right, ddof=1) / np.sqrt(8))
        items = items_of(task, tiny_loaded.checkpoint)
        answers = store.answers(info, encode(without(8, removed)), [item.digest for item in items])
        assert worths(task, items, [answers], MARGIN)[0] == pytest.approx(margins, abs=1e-4)


def test_they_need_nothing_and_take_no_examples(cli: Cli, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("app.commands.behaviour.task_commands.version", missing)
    status, answer, errors = cli("tasks", "--model", tiny, "--tasks", "sums", "--limit", 6, "--remove", "1,2")
    assert status == 0, errors
    assert [one["tasks"][0]["items"] for one in answer["scores"]] == [6, 6]
    status, answer, _ = cli("tasks", "--model", tiny, "--tasks", "sums,piqa")
    assert status == 1 and "sums" in answer["error"]["hint"]
    with pytest.raises(TaskError, match="solved examples"):
        tasks_named(["sums"], None, 2, None)
