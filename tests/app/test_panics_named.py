"""A panic of a library in Rust at the command line and in a notebook: an error with a name, a status, nothing lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.notebook import quorum
from app.panics import named_panics
from cache import queries
from cache.database import Database
from cache.evaluations import count_evaluations
from core.errors import LibraryPanic
from core.records.events import Event
from core.records.spec import RunSpec
from core.run.measure import Measuring
from tests.support.commands import Cli


class PanicException(BaseException):
    """As pyo3 has it."""


@pytest.fixture
def panicking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run panics when it has measured some."""
    events = Measuring.events

    def some(measuring: Measuring) -> Iterator[Event]:
        yield from (event for _, event in zip(range(2), events(measuring), strict=False))
        raise PanicException("not a char boundary")

    monkeypatch.setattr(Measuring, "events", some)


def test_a_command_ends_with_a_named_error_and_what_was_measured_stays(
    cli: Cli, spec: RunSpec, cache_file: Path, panicking: None
) -> None:
    asked = ("--model", spec.model, "--corpus", spec.corpus, "--sequences", 2, "--window", 16, "--masks", 12)
    status, answer, errors = cli("run", *asked)
    assert status == 1 and "PanicException: not a char boundary" in str(answer) + errors
    assert "Traceback" not in errors and "what was measured is kept" in str(answer) + errors
    [run] = queries.runs(Database(cache_file))
    assert run.status == "failed" and count_evaluations(Database(cache_file), run.game) > 0


def test_a_cell_ends_with_a_named_error(spec: RunSpec, cache_file: Path, panicking: None) -> None:
    with pytest.raises(LibraryPanic, match="not a char boundary"):
        quorum.run(spec.model, spec.corpus, 12, sequences=2, window=16, cache=cache_file)
    assert queries.runs(Database(cache_file))[0].status == "failed"


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), ValueError("ours"), OSError()])
def test_what_is_no_panic_stays_what_it_is(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as seen, named_panics():
        raise raised
    assert seen.value is raised
