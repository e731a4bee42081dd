"""Runs as processes: killed, resumed, cancelled, two at once; and what they end with."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.cli.terminal import result_text
from app.root import ROOT
from cache import evaluations, queries
from cache.database import Database
from cache.store import Store
from core.attribution.contributions import contributions
from core.attribution.named_values import layer_values, surrogate_of
from core.coalitions.masks import encode
from core.errors import EvaluationError
from core.records.events import Estimated, Event, Finished, Progress, Stage, Started
from core.records.spec import RunSpec
from core.records.storage import Evaluation
from core.run.engine import Engine
from core.run.tally import Tally
from core.sampling.strata import stratified
from tests.support.commands import Cli
from tests.support.finished import Finished as Runs

OPTIONS = ("--sequences", 4, "--window", 16, "--masks", 50, "--no-search")


def figures(answer: dict) -> dict:
    return {key: answer[key] for key in ("run", "dense_perplexity", "contributions", "surrogate", "other_surrogates")}


# A command that kills itself while it stores what it has measured: some is stored by then, and some is on its way.
DYING = """
import os, signal, sys
from app.__main__ import main
from cache import store
from core.evaluate import cached

cached._PARTS, insert, stored = 0, store.insert, []

def insert_and_die(connection, game, measured):
    insert(connection, game, measured)
    if len(stored) >= 20:
        os.kill(os.getpid(), signal.SIGKILL)
    stored.extend(measured)

store.insert = insert_and_die
main(sys.argv[1:])
"""


def test_killed_run_resumes_with_the_same_numbers(cli: Cli, tiny: Path, text_file: Path, tmp_path: Path) -> None:
    """kill -9 in the middle; the second start repeats no stored evaluation and ends like an unbroken run."""
    request = ("run", "--model", tiny, "--corpus", text_file, "--sequences", 8, "--window", 32, "--masks", 60)
    request = (*request, "--no-search")
    broken, whole = tmp_path / "broken.duckdb", tmp_path / "whole.duckdb"
    command = [sys.executable, "-c", DYING, *map(str, request), "--cache", str(broken)]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    stored = evaluations.count_evaluations(Database(broken))
    assert 20 <= stored < 61, "the run must be killed in its middle"
    assert queries.find_run(Database(broken), queries.runs(Database(broken))[0].run).status == "interrupted"

    status, resumed, errors = cli(*request, cache=broken)
    assert status == 0, errors
    assert resumed["evaluations"] == {"measured": 61 - stored, "cached": stored}
    _, unbroken, _ = cli(*request, cache=whole)
    assert unbroken["evaluations"] == {"measured": 61, "cached": 0}
    assert figures(resumed) == figures(unbroken)
    _, again, _ = cli(*request, cache=whole)
    assert again["evaluations"] == {"measured": 0, "cached": 61}
    assert figures(again) == figures(unbroken)


def test_two_processes_share_one_run(cli: Cli, tiny: Path, text_file: Path, cache_file: Path) -> None:
    """Started at once, they measure every coalition once between them, and both end with the same numbers."""
    command = [
        sys.executable,
        "-m",
        "app",
        "run",
        "--json",
        "--model",
        tiny,
        "--corpus",
        text_file,
        "--cache",
        cache_file,
    ]
    both = [
        subprocess.Popen([*map(str, (*command, *OPTIONS))], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert evaluations.count_evaluations(Database(cache_file)) == 51
    objects = [json.loads(out) for out, _ in answers]
    assert sum(answer["evaluations"]["measured"] for answer in objects) == 51
    assert figures(objects[0]) == figures(objects[1])


def test_interrupted_by_ctrl_c_is_cancelled(tiny: Path, text_file: Path, cache_file: Path) -> None:
    command = [sys.executable, "-m", "app", "run", "--model", tiny, "--corpus", text_file, "--cache", cache_file]
    process = subprocess.Popen(
        [*map(str, command), "--sequences", "250", "--window", "128", "--masks", "100"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever starts the tests in the background has them ignore Ctrl-C, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not (cache_file.exists() and evaluations.count_evaluations(Database(cache_file))):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert "run the same command again" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    [run] = queries.runs(Database(cache_file))
    assert run.status == "cancelled"
    assert evaluations.count_evaluations(Database(cache_file)) > 0


def spec(tiny: Path, text_file: Path, **changes: object) -> RunSpec:
    return RunSpec(
        **{"model": str(tiny), "corpus": str(text_file), "sequences": 4, "window": 16, "masks": 50, **changes}
    )


def test_events_tell_the_story(tiny: Path, text_file: Path, cache_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.evaluate.cached._PARTS", 0)
    engine = Engine(Store(Database(cache_file)))
    events: list[Event] = list(engine.run(spec(tiny, text_file)))
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert progress[-1].done == progress[-1].total == 51
    early = [event for event in events if isinstance(event, Estimated)]
    assert len(early) >= 2, "contributions must appear while the run goes on"
    assert early[0].result.surrogate.masks < early[-1].result.surrogate.masks
    finished = events[-1]
    assert isinstance(finished, Finished) and isinstance(next(e for e in events if isinstance(e, Started)), Started)
    stored = queries.find_run(Database(cache_file), finished.result.run)
    assert stored.result == finished.result
    assert sorted((item.log, len(item.fifths)) for item in finished.result.learnt) == [(False, 5), (True, 5)]
    assert progress[0].best == ()
    measured = evaluations.measurements(Database(cache_file), stored)
    removed, found = (~measured.masks).sum(axis=1), np.exp(measured.losses.mean(axis=1))
    assert dict(progress[-1].best) == pytest.approx({size: found[removed == size].min() for size in set(removed)})


def test_closing_a_run_keeps_what_was_measured(tiny: Path, text_file: Path, cache_file: Path) -> None:
    engine = Engine(Store(Database(cache_file)))
    events = engine.run(spec(tiny, text_file))
    for event in events:
        if isinstance(event, Progress):
            break
    events.close()
    [run] = queries.runs(Database(cache_file))
    assert run.status == "cancelled"
    assert isinstance(list(engine.run(spec(tiny, text_file)))[-1], Finished)


def test_a_preview_between_two_events_changes_nothing(
    finished: Runs, tiny: Path, text_file: Path, cache_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.evaluate.cached._PARTS", 0)
    request = spec(tiny, text_file)
    [run] = finished(request)
    alone = queries.find_run(Database(cache_file), run).result
    engine = Engine(Store(Database(tmp_path / "disturbed")))
    last: Event | None = None
    for number, event in enumerate(engine.run(request)):
        last = event
        if number % 7 == 3:
            assert list(engine.measure(request, request.text(), [number % 6]))
    assert alone is not None and isinstance(last, Finished)
    assert last.result.contributions == alone.contributions


def test_a_preview_is_not_measured_again(tiny: Path, text_file: Path, cache_file: Path) -> None:
    """A coalition of the run, measured by a preview while the run goes on: the run takes it as it is."""
    request = spec(tiny, text_file)
    store = Store(Database(cache_file))
    engine = Engine(store)
    events = engine.run(request)
    next(event for event in events if isinstance(event, Progress))
    ours = stratified(8, (7, 6, 5, 4), 49, 0)[-1]
    measured = list(engine.measure(request, request.text(), [int(layer) for layer in np.flatnonzero(~ours)]))
    evaluated: list[str] = []
    record = store.record
    store.record = lambda game, rows: (evaluated.extend(row.mask for row in rows), record(game, rows))[1]
    last = list(events)[-1]
    assert isinstance(last, Finished) and measured
    assert encode(ours) not in evaluated and len(evaluated) == len(set(evaluated)) == 50


def test_cancelling_too_late_leaves_a_finished_run(tiny: Path, text_file: Path, cache_file: Path) -> None:
    events = Engine(Store(Database(cache_file))).run(spec(tiny, text_file))
    for event in events:
        if isinstance(event, Finished):
            break
    events.close()
    assert queries.runs(Database(cache_file))[0].status == "finished"


def test_a_whole_model_without_numbers_ends_the_run_at_once(tiny: Path, text_file: Path, cache_file: Path) -> None:
    class Dense(Store):
        def known(self, game: str, masks: np.ndarray) -> dict[int, Evaluation]:
            return {0: Evaluation(encode(masks[0]), np.full(4, np.nan, np.float32))}

    with pytest.raises(EvaluationError, match="whole model"):
        list(Engine(Dense(Database(cache_file))).run(spec(tiny, text_file)))
    assert evaluations.count_evaluations(Database(cache_file)) == 0


def test_an_adaptive_run_proposes_the_same_again(
    tiny: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed in the middle of its rounds and resumed, it ends like an unbroken one, and measures within its budget."""
    monkeypatch.setattr("core.attribution.stability.SETTLED", 0.9999)  # so that it goes on to the end of its budget
    request = replace(spec(tiny, text_file), sampler="adaptive", masks=60, strata=(7, 6, 5, 4))
    whole = [*Engine(Store(Database(tmp_path / "whole.duckdb"))).run(request)][-1]
    assert isinstance(whole, Finished) and 30 < whole.result.surrogate.masks <= 60
    database = Database(tmp_path / "broken.duckdb")
    events = Engine(Store(database)).run(request)
    for event in events:
        if isinstance(event, Estimated) and event.result.surrogate.masks > 30:  # in the middle of its rounds
            events.close()
    before = evaluations.count_evaluations(database)
    assert 30 < before < evaluations.count_evaluations(Database(tmp_path / "whole.duckdb"))
    resumed = [*Engine(Store(database)).run(request)][-1]
    assert isinstance(resumed, Finished) and resumed.result.cached == before
    assert resumed.result.contributions == whole.result.contributions


def test_an_exhaustive_run_makes_values_exact(cli: Cli, tiny: Path, text_file: Path, cache_file: Path) -> None:
    """Efficiency holds to the last digits: the values add up to what lies between no layers and all of them."""
    status, run, errors = cli("run", "--model", tiny, "--corpus", text_file, "--sampler", "exhaustive", *OPTIONS[:4])
    assert status == 0, errors
    assert run["masks"] == 255 and run["evaluations"]["measured"] == 256
    found = cli("values", run["run"], "--value", "shapley", "--worth", "log_score")[1]
    assert found["surrogate"] is None and all(item["low"] == item["high"] for item in found["values"])
    measured = evaluations.measurements(Database(cache_file), queries.find_run(Database(cache_file), run["run"]))
    stratified_ones = cli("values", run["run"])[1]["values"]
    result = queries.find_run(Database(cache_file), run["run"]).result
    own = run["contributions"]
    assert [item["value"] for item in own] == pytest.approx([item["value"] for item in stratified_ones], abs=1e-12)
    assert result is not None and "the contributions are exact" in result_text(result)
    nothing = measured.log_scores[~measured.masks.any(axis=1)]
    assert sum(item["value"] for item in found["values"]) == pytest.approx(-float(nothing[0]))
    status, answer, _ = cli("run", "--sampler", "exhaustive", "--masks", 20)
    assert status == 1 and "2^30" in answer["error"]["message"]


class NotNumbers(Store):
    """A store that knows a few losses already, and they are not numbers."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._wrong: dict[str, float] = {}

    def known(self, game: str, masks: np.ndarray) -> dict[int, Evaluation]:
        names = [encode(mask) for mask in masks]
        self._wrong = self._wrong or {names[row]: value for row, value in ((3, np.nan), (4, np.inf), (9, np.nan))}
        wrong = {row: self._wrong[name] for row, name in enumerate(names) if name in self._wrong}
        made_up = {row: Evaluation(names[row], np.full(4, value, np.float32)) for row, value in wrong.items()}
        return super().known(game, masks) | made_up


def test_losses_that_are_no_numbers_are_counted_not_shifted(tiny: Path, text_file: Path, cache_file: Path) -> None:
    """A NaN leaves the fit together with its own mask; an infinite loss is a score of zero."""
    masks = np.concatenate([np.ones((1, 6), bool), stratified(6, (5, 4, 3), 30, 0)])
    losses = {row: np.full(4, 2.0 + row / 10, np.float32) for row in range(31)}
    losses[3][1], losses[4][:] = np.nan, np.inf
    tally = Tally("run", None, None, (5, 4, 3), RunSpec(masks=30), masks, lambda _: losses, ())
    measured = tally.measurements()
    rows = [row for row in range(1, 31) if row != 3]
    np.testing.assert_array_equal(measured.masks, masks[rows])
    expected = [0.0 if row == 4 else np.exp(-row / 10) for row in rows]
    np.testing.assert_allclose(measured.scores, expected, rtol=1e-5)
    assert np.isfinite(measured.log_scores).all()
    result = list(Engine(NotNumbers(Database(cache_file))).run(spec(tiny, text_file)))[-1]
    assert isinstance(result, Finished) and result.result.not_finite == 2


class NoNumbers(Store):
    """A store in which all losses but a few are not numbers."""

    def known(self, game: str, masks: np.ndarray) -> dict[int, Evaluation]:
        values = [np.full(4, np.nan if row > 5 else 2.0, np.float32) for row in range(len(masks))]
        return {row: Evaluation(encode(mask), values[row]) for row, mask in enumerate(masks)}


def test_too_few_numbers_is_an_error_that_says_so(tiny: Path, text_file: Path, cache_file: Path) -> None:
    with pytest.raises(EvaluationError, match="5 of 50"):
        list(Engine(NoNumbers(Database(cache_file))).run(spec(tiny, text_file)))
    [run] = queries.runs(Database(cache_file))
    assert run.status == "failed" and "5 of 50" in (run.message or "")


def test_values_of_a_finished_run_rest_on_what_it_found(
    finished: Runs, tiny: Path, text_file: Path, cache_file: Path
) -> None:
    """Its surrogates are neither learnt nor tested again, and give what learning them again gives."""
    run = queries.find_run(Database(cache_file), *finished(spec(tiny, text_file)))
    result = run.result
    assert result is not None
    measured = evaluations.measurements(Database(cache_file), run)
    of_log = next(item.quality for item in result.learnt if item.log)
    for worth, quality in (("log_score", of_log), ("score", result.surrogate)):
        found = layer_values(measured, "shapley", worth, run.strata, 0, result)
        assert found.surrogate == quality, "each is told how well its own worth is predicted"
        again = layer_values(measured, "shapley", worth, run.strata, 0)
        assert again.surrogate is not None and found.surrogate is not None
        assert again.surrogate.name == found.surrogate.name
        ours, theirs = (np.array([item.value for item in values.values]) for values in (found, again))
        np.testing.assert_allclose(ours, theirs, atol=0.02 * np.abs(theirs).max())
    for kept in result.others[:2]:  # a run of an earlier release: its scores come from one process
        old = replace(result, surrogate=kept, level=None)
        contributed = contributions(surrogate_of(measured, "score", 0, old), run.strata, 0)
        alone = layer_values(measured, "stratified", "score", run.strata, 0, old)
        assert alone.surrogate == kept and [item.value for item in alone.values] == pytest.approx(
            [item.value for item in contributed if item.stratum is None]
        )
    zero = replace(measured, dense=np.zeros_like(measured.dense))
    kl = layer_values(zero, "shapley", "kl", run.strata, 0, result)
    assert kl == layer_values(zero, "shapley", "kl", run.strata, 0), "no run has a surrogate of KL"


class Held(Store):
    """A store whose games another process holds for a while; it counts the claims that have not been let go."""

    refusals, open = 5, 0

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        self.open += 1
        self.refusals -= 1
        try:
            yield self.refusals < 0
        finally:
            self.open -= 1


def test_waiting_for_another_process_keeps_no_claim(
    tiny: Path, text_file: Path, cache_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.run.engine.time.sleep", lambda _: None)
    store = Held(Database(cache_file))
    waiting = 0
    for event in Engine(store).run(spec(tiny, text_file)):
        if isinstance(event, Stage) and event.text.startswith("Another process"):
            waiting += 1
            assert store.open == 0
        elif isinstance(event, Progress):
            assert store.open == 2  # the game's and the run's
    assert waiting == 5 and store.open == 0
