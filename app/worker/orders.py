"""What the server asks of the worker, and what the engine does about it."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, assert_never, get_args

from app.commands.behaviour.needed import needed
from app.commands.behaviour.task_commands import check_installed
from app.worker.job import Preview, Task
from cache import queries
from cache.store import Store
from core.baselines.compare import Match
from core.cluster.machines import Machines
from core.errors import QuorumError, SelectionError
from core.evaluate.game import Games
from core.export.recipes.recipe import Recipe
from core.quantise.quantising import quantising
from core.records.behaviour.speeds import GLANCE
from core.records.events import Answered, Event, Progress, Searching, Selected, Started
from core.records.mends import Compensate
from core.records.reader import from_fields
from core.records.results import RunResult
from core.records.spec import RunSpec
from core.run.compensating.compensated_choice import choosing_compensated
from core.run.engine import Engine
from core.run.look import look
from core.selection.targets import Request, Target
from core.tasks.answering import Questions, answered
from core.tasks.needing import checking
from core.tasks.without_data import asking_without_data

Command = dict[str, Any]
COMMANDS = (*get_args(Task), *get_args(Preview))


def spec_of(command: Command) -> RunSpec:
    """The specification that every command has."""
    return from_fields(RunSpec, command["spec"])


def events_of(engine: Engine, store: Store, command: Command) -> Iterator[Event]:
    """What the engine does about a command.

    Raises:
        QuorumError: nobody knows such a command.
    """
    spec = spec_of(command)
    do: Task | Preview = command["do"]
    if do not in COMMANDS:
        raise QuorumError(
            f"The dashboard asks for {do}, which the process that computes does not know.",
            "Stop Quorum and start it again: its two processes are of different releases.",
        )
    match do:
        case "run":
            others = command.get("machines")
            machines = from_fields(Machines, others) if others else None
            events = engine.run(spec, search=command.get("search", False), machines=machines)
            events = _owned(events, store, command.get("owner"))
            return _checked(engine, spec, command["then"], events) if command.get("then") else events
        case "select":
            request = Request(command["units"], None, tuple(command["protected"]), command.get("earlier", False))
            return engine.select(command["run"], command["game"], spec, request)
        case "compensate":
            return compensating(engine, store, spec, command)
        case "compare":
            asked = tuple(command["methods"]), tuple(command["counts"]), command["units"]
            match_ = Match(*asked, command.get("compensate", "none"))
            return engine.compare(spec, match_, command["run"])
        case "score":
            return engine.score(command["run"], command["game"], spec)
        case "agree":
            return agreeing(engine, spec, [tuple(removed) for removed in command["removals"]])
        case "needs":
            return needing_tasks(engine, store, command)
        case "tasks":
            return scoring(engine, spec, _questions(command), [tuple(removed) for removed in command["removals"]])
        case "export":
            recipe = Recipe.of(from_fields(RunResult, command["result"]), spec, command["removed"])
            recipe = replace(recipe, gguf=command.get("gguf", False))
            if command.get("compensate"):
                recipe = replace(recipe, compensate=Compensate(command["compensate"]))
            return engine.export(recipe, Path(command["out"]), uncached=command.get("uncached", False))
        case "heal":
            recipe, out = from_fields(Recipe, command["recipe"]), Path(command["out"])
            how = {name: command[name] for name in ("uncached", "finish", "owner")}
            return engine.export(recipe, out, **how)
        case "quantise":
            work = quantising(spec, command["library"], None, Path(command["out"]))
            return engine.lend(partial(as_answered, work=work))
        case "continue":
            return engine.continue_(spec, command["removed"], command["prompt"], command["tokens"])
        case "time":
            return engine.time(spec, command["removed"], GLANCE)
        case "behave":
            return engine.behave(spec, command["removed"], command["tokens"], windows=spec.sequences)
        case "measure":
            return engine.measure(spec, spec.text(), command["removed"])
        case "look":
            return iter([look(spec)])
        case _:
            assert_never(do)


def as_answered(store: Store, games: Games, work: Generator[Event, None, object]) -> Generator[Event, None, None]:
    """Work of other processes with models of their own, for which ours makes room; a folder holds what it finds."""
    games.forget()
    yield from work
    yield Answered()


def compensating(engine: Engine, store: Store, spec: RunSpec, command: Command) -> Iterator[Event]:
    """Compensates the finalists of one size, of a run's search."""
    run, protected = command["run"], command["protected"]
    found = store.selection(run, protected)
    if found is None:
        raise SelectionError("No search has looked for plans of this run yet.", "Start a search first.")
    asked = partial(choosing_compensated, run=run, game=command["game"], spec=spec, found=found)
    target = Target(count=command["count"])
    yield from engine.lend(partial(asked, how=Compensate(command["how"]), target=target))
    yield Selected(found)


def agreeing(engine: Engine, spec: RunSpec, removals: list[tuple[int, ...]]) -> Iterator[Event]:
    """What plans are asked that needs no data."""
    yield from engine.lend(partial(asking_without_data, spec=spec, removals=removals))
    yield Answered()


def scoring(engine: Engine, spec: RunSpec, questions: Questions, removals: list[tuple[int, ...]]) -> Iterator[Event]:
    """How the whole model and those that give numbers without some players do tasks."""
    asked = partial(answered, spec=spec, questions=questions, removals=[(), *removals], spare=True)
    yield from as_shares(engine.lend(asked))
    yield Answered()


def needing_tasks(engine: Engine, store: Store, command: Command) -> Iterator[Event]:
    """What tasks need, by the coalitions of a run."""
    asked = partial(
        needed,
        database=store.database,
        run=queries.find_run(store.database, command["run"]),
        questions=_questions(command),
        value=command["value"],
        answers=command["answers"],
        masks=command["masks"],
        pairs=command["pairs"],
        plans=command["plans"],
    )
    yield from as_shares(engine.lend(asked))
    yield Answered()


def _questions(command: Command) -> Questions:
    """What a command asks; TaskError where that needs what is not installed."""
    tasks = tuple(command["tasks"])
    check_installed(tasks)
    return Questions(tasks, Path(command["data"]) if command["data"] else None, command["limit"])


def _checked(engine: Engine, spec: RunSpec, then: Command, events: Iterator[Event]) -> Iterator[Event]:
    """The events of a run whose coalitions are to be asked a task: what that would refuse ends it before it begins."""
    yield from engine.lend(partial(checking, spec=spec, questions=_questions(then), worth=then["answers"]))
    yield from events


def as_shares(events: Iterator[Event]) -> Iterator[Event]:
    """How far answers to items are, as of any task that is no run."""
    for event in events:
        yield Searching(event.done / event.total) if isinstance(event, Progress) else event


def _owned(events: Iterator[Event], store: Store, owner: str | None) -> Iterator[Event]:
    """The events of a run, which belongs from its start to the person who asked for it."""
    for event in events:
        if isinstance(event, Started) and owner is not None:
            store.own(event.run, owner)
        yield event
