"""What a search takes from other texts, against plain means of what is stored."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache import queries
from cache.database import Database
from cache.store import Store
from core.coalitions.masks import encode, removed, without
from core.records.spec import RunSpec
from core.run.engine import Engine
from core.selection.earlier import earlier_of
from tests.support.commands import Cli
from tests.support.finished import Finished

SETS = st.sets(st.integers(0, 5), min_size=1, max_size=5).map(lambda gone: tuple(sorted(gone)))


@pytest.fixture
def other_text(tmp_path: Path) -> Path:
    file = tmp_path / "other.txt"
    file.write_text(" ".join(f"On day {n} nobody had seen the harbour so empty, nor {n * n} gulls." for n in range(99)))
    return file


def begun(cli: Cli, spec: RunSpec, text: Path) -> str:
    """A run of the same model on another text, in the same file."""
    small = "--sequences", 4, "--window", 16, "--masks", 20, "--no-search"
    status, found, errors = cli("run", "--model", spec.model, "--corpus", text, *small)
    assert status == 0, errors
    return str(found["run"])


def test_rises_are_means_over_other_texts(
    cli: Cli, finished: Finished, spec: RunSpec, cache_file: Path, other_text: Path
) -> None:
    names = [*finished(replace(spec, masks=20)), begun(cli, spec, other_text)]
    database = Database(cache_file)
    store = Store(database)
    here, there = (queries.find_run(database, name) for name in names)
    for own, other in ((here, there), (there, here)):
        measured = store.measured(other.game)
        whole = float(measured["1" * 8].losses.mean(dtype=np.float64))
        wanted = {mask: float(one.losses.mean(dtype=np.float64)) - whole for mask, one in measured.items()}
        [found] = store.rises_elsewhere(own.game)
        assert found.keys() == wanted.keys()
        wanted_here = found
        assert all(found[mask] == pytest.approx(wanted[mask], abs=1e-6) for mask in wanted)
    assert store.rises_elsewhere("nothing") == []
    # What judges a choice takes no part in it: evaluation halves, of this text or another.
    for text, gone in product((spec.corpus, str(other_text)), ((), (2, 5))):
        asked = replace(spec, corpus=text)
        assert list(Engine(store).measure(asked, asked.text("evaluation"), gone))
    with database.reading() as connection:
        [(games,)] = connection.execute("SELECT count(DISTINCT game) FROM evaluations").fetchall()
    assert games == 4
    assert store.rises_elsewhere(there.game) == [wanted_here] and len(store.rises_elsewhere(here.game)) == 1


def test_a_text_that_costs_more_hides_no_other() -> None:
    """Three singles and a pair on each of two texts, of which one costs ten times as much in all."""
    first = {(0,): 0.1, (1,): 0.2, (2,): 0.3, (0, 1): 0.6}
    second = {(0,): 1.0, (1,): 2.0, (2,): 3.0, (1, 2): 4.0, (0, 2): 9.0}
    found = earlier_of([{encode(without(4, gone)): rise for gone, rise in text.items()} for text in (first, second)], 2)
    assert found is not None
    assert [removed(mask) for mask in found.best(2, 3)] == [(1, 2), (0, 1), (0, 2)], "2, 3 and 4.5 mean singles"
    assert found.rises == pytest.approx(1.1 * np.array([0.5, 1, 1.5, 2, 3, 4.5])), "a mean single is .2 and 2"
    assert earlier_of([{encode(without(4, (0, 1))): 1.0}], 2) is None, "nothing says what it costs there"


def test_a_search_says_what_it_began_with(cli: Cli, finished: Finished, spec: RunSpec, other_text: Path) -> None:
    [first] = finished(replace(spec, masks=20))
    status, found, errors = cli("select", first, "--units", 0.2, "--earlier")
    assert status == 0 and found["earlier"] == 0 and "nothing known on other texts" in errors, "its own text is none"
    second = begun(cli, spec, other_text)
    status, after, errors = cli("select", second, "--units", 0.2, "--earlier")
    assert status == 0 and after["earlier"] >= 8, errors
    assert f"from {after['earlier']} removals measured on other texts" in errors
    assert [plan["count"] for plan in after["plans"]] == [1, 2, 3, 4]
    assert cli("select", second, "--units", 0.2, "--earlier")[1] == after
    status, alone, _ = cli("select", second, "--units", 0.3)
    assert status == 0 and alone["earlier"] == 0 and alone["units"] == 0.3


@given(st.dictionaries(SETS, st.floats(0.01, 9), min_size=1), st.integers(1, 5), st.sets(st.integers(0, 5), max_size=2))
def test_the_best_of_each_count(rises: dict[tuple[int, ...], float], most: int, protected: set[int]) -> None:
    texts = [{encode(without(6, gone)): rise for gone, rise in rises.items()}]
    found = earlier_of(texts, most, sorted(protected))
    wanted = {gone: rise for gone, rise in rises.items() if len(gone) <= most and not protected & set(gone)}
    if not any(len(gone) == 1 for gone in wanted):
        assert found is None, "without single removals nothing can be expected"
        return
    assert found is not None
    assert {removed(mask) for mask in found.masks} == wanted.keys()
    for count in range(1, most + 1):
        best = [removed(mask) for mask in found.best(count, 3)]
        costs = sorted(rise for gone, rise in wanted.items() if len(gone) == count)
        assert [wanted[gone] for gone in best] == pytest.approx(costs[:3])
