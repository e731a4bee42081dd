"""Instructions with answers, from a file of rows; the loss is of the answers alone.

They are written and cut as the paper's training does it: Alpaca's own words around them, so many tokens of both.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from core.errors import CorpusError
from core.healing.examples import LEAST, Example, Material
from core.paths import user_path
from core.records.mends import Heal
from core.text.rows import at, rows
from core.text.streams import form_of, opened, reading
from core.text.tokens import check_known
from core.text.windows import fingerprint

FORMS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_KEYS = ("instruction", "input", "output")
_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
    "response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n"
    "### Response:\n"
)
_ALONE = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)


def of_instructions(
    name: str, tokenizer: PreTrainedTokenizerBase, embedded: object, source: str, heal: Heal
) -> Material:
    """The instructions of a file.

    Args:
        name: of a file with one object a row: instruction, output and, where there is one, input.
        tokenizer, embedded, source: the model's: see core.text.tokens.
        heal: where they are cut, and how many, at most a quarter, are held out.

    Raises:
        CorpusError: names the file, and the row where there is one.
    """
    file = user_path(name)
    examples = [example for row in _rows(file) if (example := _example(row, tokenizer, heal.cutoff))]
    if len(examples) < LEAST:
        raise CorpusError(
            f"{file.name} has {len(examples)} instructions whose answers begin within {heal.cutoff} tokens, and at "
            f"least {LEAST} are needed.",
            "Give a file with more of them.",
        )
    every = torch.cat([example.ids for example in examples])
    check_known(every, tokenizer, embedded, source, "instructions")
    held = min(heal.held, len(examples) // 4)
    order = np.random.default_rng(heal.seed).permutation(len(examples))  # as `datasets` splits
    drawn = [examples[place] for place in order]
    text = f"{file.name}, {len(examples):,} instructions of at most {heal.cutoff} tokens, loss of the answers alone"
    return Material(drawn[held:], drawn[:held], text, fingerprint(every))


def _rows(file: Path) -> Iterator[Mapping[str, str]]:
    if not file.is_file():
        raise CorpusError(f"There is no file {file}.", "Name a file of instructions: --instructions FILE.")
    if form_of(file.name) not in FORMS:
        raise CorpusError(f"{file.name} is of a kind that cannot be read.", f"Use a file ending in {', '.join(FORMS)}.")
    with reading(file.name), opened(file) as stream:
        for where, row in rows(stream, file.name, form_of(file.name), _KEYS[0]):
            if not isinstance(row, Mapping):
                raise CorpusError(
                    f"{at(where, file.name)} is no object with fields, but {type(row).__name__}.",
                    f"Give rows with {', '.join(_KEYS)}.",
                )
            texts = {key: row.get(key) for key in _KEYS if key != "input" or row.get(key)}
            bad = [key for key, text in texts.items() if not isinstance(text, str)]
            if bad:
                has = ", ".join(str(key)[:40] for key in list(row)[:12]) or "none"
                raise CorpusError(
                    f"{at(where, file.name)} has no text in {bad[0]}; its fields are {has}.",
                    f"Give rows with {', '.join(_KEYS)}; input may be missing or empty.",
                )
            yield {key: str(text) for key, text in texts.items()}


def _example(row: Mapping[str, str], tokenizer: PreTrainedTokenizerBase, cutoff: int) -> Example | None:
    """The tokens of an instruction and its answer, with one of its end if there is room; None without an answer."""
    form = _WITH_INPUT if "input" in row else _ALONE
    prompt = tokenizer(form.format(**row), verbose=False)["input_ids"]
    if tokenizer.eos_token_id is not None and prompt[-1:] == [tokenizer.eos_token_id]:
        prompt = prompt[:-1]
    answer = tokenizer(row["output"], add_special_tokens=False, verbose=False)["input_ids"]
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    ids = [*prompt, *answer, *end][:cutoff]
    return Example(torch.tensor(ids), len(prompt)) if len(ids) > len(prompt) and answer and prompt else None
