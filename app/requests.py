"""What a user typed, as a request that means the same to every process."""

from dataclasses import replace

from core.errors import SelectionError, TaskError
from core.paths import user_path
from core.records.mends import Heal
from core.records.spec import BUNDLED, RunSpec
from core.text.corpora import CORPORA
from core.text.self_written.prompt_file import SELF, is_self_written


def located(spec: RunSpec) -> RunSpec:
    """The same request with paths made absolute: the worker, and whoever resumes the run, have another folder."""
    return replace(
        spec,
        model=spec.model if spec.model == BUNDLED else _absolute(spec.model),
        corpus=_text(spec.corpus),
    )


def with_text(heal: Heal, corpus: str = "", instructions: str = "") -> Heal:
    """A training on that text or those instructions, as every process finds them; neither: on the run's own text."""
    return replace(
        heal,
        corpus=_text(corpus) if corpus else "",
        instructions=_absolute(instructions) if instructions else "",
    )


def integers(text: str) -> tuple[int, ...] | None:
    """The numbers that were typed; None for an empty text."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip()) or None
    except ValueError as cause:
        raise SelectionError(f"{text} is no list of numbers.", "Write them like this: 28,25,22,19,16") from cause


def items_folder(typed: str) -> str | None:
    """The folder of a task's items, as every process finds it; None for an empty text: they come from the Hub.

    Raises:
        TaskError: there is none here; nobody is to wait for that.
    """
    name = typed.strip()
    if not name:
        return None
    folder = user_path(name)
    if not folder.is_dir():
        raise TaskError(f"There is no folder {name}.", "Name one that has a file TASK.jsonl, or leave it empty.")
    return str(folder.resolve())


def _text(corpus: str) -> str:
    if is_self_written(corpus):
        return SELF + _absolute(corpus.removeprefix(SELF)) if corpus != SELF else SELF
    return corpus if corpus in CORPORA else _absolute(corpus)


def _absolute(name: str) -> str:
    path = user_path(name)
    return str(path.resolve()) if path.exists() else name
