"""What a training will take, said before it begins: from its sizes, and from the rate at which its run was measured."""

from app.example import shipped
from app.foresight import work_a_second
from app.words import duration
from cache.queries import StoredRun
from core.checkpoint.size import admitted_shape
from core.coalitions.players import dropped
from core.errors import ModelError
from core.records.mends import Heal
from core.records.results import RunResult

# What a token takes in a step, forward and back with additions at work, and in a plain forward: in those of a run's
# evaluations, which multiply packed weights. By the processor's time for the bundled model in bfloat16.
_STEP, _FORWARD = 4.2, 1.4
_READINGS = 9  # of the held-out perplexity


def seconds_of(run: StoredRun, result: RunResult, removed: tuple[int, ...], heal: Heal) -> float | None:
    """About how long its steps and readings take; None where no rate of this machine is known.

    Instructions count as long as they may be.
    """
    if shipped.is_example(run) or not result.measured or heal.epochs:  # the text is not counted yet
        return None
    try:
        shape = admitted_shape(run.spec.model)
    except ModelError:
        return None
    head = shape.head if shape else 0.0
    length = heal.cutoff if heal.instructions else run.spec.window
    left = result.model.layers - len(dropped(result.model.players, result.model.layers, removed)[0]) + head
    whole = _FORWARD * (result.model.layers + head) if heal.distil else 0.0
    work = heal.steps * heal.batch * (_STEP * left + whole) + _READINGS * heal.held * _FORWARD * left
    return work * length / work_a_second(run, head)


def told(run: StoredRun, result: RunResult, removed: tuple[int, ...], heal: Heal) -> str:
    """Steps, text and time of a training, in words."""
    what = (
        f"instructions of at most {heal.cutoff} tokens" if heal.instructions else f"windows of {run.spec.window} tokens"
    )
    seconds = seconds_of(run, result, removed, heal)
    time = "its time is known after the first steps" if seconds is None else f"about {duration(seconds)} (estimated)"
    work = f"{heal.epochs} passes in steps of {heal.batch}" if heal.epochs else f"{heal.steps} steps of {heal.batch}"
    return (
        f"{work} {what}: {time}, then the export. Up to {heal.held} others are held out, "
        "and the state that is best on them is written. Cancelled, it keeps its best; it survives a stop of Quorum."
    )
