"""Runs by name: one that is started or goes on, those that there are, one of them."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import pandas as pd

from app.example import shipped
from app.notebook.given import integer_of, path_of, spec_of
from app.notebook.run_handle import Run
from app.notebook.sessions import Cache, open_results, work
from cache import queries
from core.records.spec import BUNDLED

_SPEC = ("model", "corpus", "sequences", "window", "sampler", "masks", "players", "seed")


def run(
    model: str | PathLike[str] = BUNDLED,
    corpus: str | PathLike[str] = "python-docs",
    masks: int = 300,
    *,
    sequences: int = 10,
    window: int = 128,
    sampler: str = "stratified",
    strata: Sequence[int] | None = None,
    seed: int = 0,
    dtype: str = "auto",
    device: str = "auto",
    bos: str = "auto",
    players: str = "block",
    protect: Sequence[int] = (),
    field: str = "",
    preset: str = "",
    search: bool = True,
    worth: str | None = None,
    data: str | PathLike[str] | None = None,
    limit: int | None = None,
    cache: Cache = None,
) -> Run:
    """Measures coalitions of a model's layers, and estimates what each layer contributes.

    The same request is the same run: it goes on where it was, and of a finished one nothing is measured again. All
    that has been measured is kept, also when the cell is interrupted.

    Args:
        model: bundled, owner/name[@revision] of the Hub, a folder, or a GGUF file.
        corpus: python-docs, wikitext2, c4, ptb, bookcorpus, owner/name[:config][:split] of the Hub, a file, or a folder
            that datasets saved.
        masks: coalitions to sample.
        sequences: calibration windows.
        window: text tokens in a window.
        sampler: stratified (the paper's), adaptive, shapley or exhaustive.
        strata: numbers of kept players; None takes the paper's.
        seed: of windows, samples and folds.
        dtype: auto, float32, bfloat16 or float16.
        device: auto, cpu, cuda, cuda:N, mps or offload.
        bos: auto, none, corpus or window.
        players: block, sublayer (attention and MLP) or group:N.
        protect: layers that always stay.
        field: what holds the text in each row of the corpus; empty takes text, or what a named corpus has.
        preset: a protocol of the literature (paper, 2048 or 4096), which settles windows, sequences and BOS.
        search: whether it ends with a search for the best plans, of a third of a unit.
        worth: a task that the same coalitions are asked then: margin:arc_easy, accuracy:piqa, or agreement. What comes
            of it is the run's `needs`, with pairs, and with plans of the sizes of the search's.
        data: a folder with the task's items as JSON lines; None takes its data set from the Hub.
        limit: its first items; None takes all.
        cache: the results file; None is the command line's, and ":memory:" lasts as long as this process.

    Raises:
        QuorumError: before any evaluation if the request is wrong.
    """
    from app.commands.behaviour.run_worth import task_worth
    from core.sampling.samplers import check_size

    spec = spec_of(
        model=model,
        corpus=corpus,
        masks=masks,
        sequences=sequences,
        window=window,
        sampler=sampler,
        strata=strata,
        seed=seed,
        dtype=dtype,
        device=device,
        bos=bos,
        players=players,
        protect=protect,
        field=field,
        preset=preset,
    )
    check_size(spec)
    asked = task_worth(
        worth,
        None if data is None else path_of(data, "data"),
        None if limit is None else integer_of(limit, "limit"),
    )
    database = open_results(cache)

    def lend(asking: Callable[..., Any]) -> Any:
        return work(database, "lend", asking)[1]

    if asked is not None:
        asked.check(spec, lend)
    finished, _ = work(database, "run", spec, search=search)
    if asked is not None:
        asked.needed(database, finished.result.run, lend)
    return Run(database, finished.result.run)


def runs(cache: Cache = None, archived: bool = False) -> pd.DataFrame:
    """The runs in a results file, the newest first: run (its id), name, note, status, started, what was asked for.

    Args:
        cache: as of `run`.
        archived: also those in the archive, with a column that tells them.
    """
    database = open_results(cache)
    rows = [
        (
            found.run,
            found.label.name,
            found.label.note,
            *([found.label.archived] if archived else []),
            shipped.status(found),
            found.started,
            *(getattr(found.spec, name) for name in _SPEC),
        )
        for found in (queries.settled(database, stored) for stored in queries.runs(database))
        if archived or not found.label.archived
    ]
    put = ["archived"] if archived else []
    return pd.DataFrame(rows, columns=["run", "name", "note", *put, "status", "started", *_SPEC])


def load(name: str, cache: Cache = None) -> Run:
    """The run of that name or id, or of the one id that begins so; RunNotFound, with those that there are, if none."""
    database = open_results(cache)
    return Run(database, queries.find_run(database, str(name)).run)
