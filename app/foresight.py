"""What a request will take, said before it begins: from sizes, and from the rate of earlier runs on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.example import shipped
from app.settling import ranking_sentence
from app.words import duration
from cache.database import Database
from cache.queries import StoredRun
from cache.store import Store
from core.checkpoint.memory import amount, available
from core.checkpoint.size import BYTES, admitted_shape
from core.coalitions.masks import Masks
from core.coalitions.players import computed, kept, players_of, switches
from core.records.looks import DeviceSeen
from core.records.results import Findings
from core.records.spec import OFFLOAD, RunSpec
from core.run import forecast
from core.sampling.samplers import begin, check_count, check_size

# More coalitions are not drawn only to be counted: the work of these is scaled up, and is then an upper bound.
_DRAWN = 3000
# The time of a run that measured fewer is that of loading the model.
_FEWEST = 20
# Sizes of a run that a person can choose from: coalitions and sequences.
SIZES = {
    "quick": (100, 4),
    "standard": (RunSpec().masks, RunSpec().sequences),
    "thorough": (1000, 20),
}
_SMALLER = "ask for bfloat16, fewer or shorter sequences, or for the device offload"


@dataclass(frozen=True)
class Forecast:
    """What a request will take; None where that is not known."""

    coalitions: int | None  # the whole model among them
    known: int  # how many of them are in the results file
    known_in: str  # the dtype that they were measured in
    seconds: float | None
    rate_of: str  # the run whose rate `seconds` is from
    memory: forecast.Memory | None
    dtype: str
    dtype_known: bool  # False: the larger one is assumed
    device: str = "cpu"  # its kind
    free: int | None = None  # bytes of its memory, where that is known: of a processor's what is free, else all
    offload: bool = False  # weights that find no room stay on the disk
    ranking: str = ""  # how settled the ranking will be, and when it would be, in a sentence


def foresee(database: Database, runs: Sequence[StoredRun], spec: RunSpec, seen: DeviceSeen | None = None) -> Forecast:
    """What `spec` will take, given the runs in the results file.

    Args:
        database: the results file.
        runs: all of it.
        spec: the request.
        seen: what would compute it; None where nobody has looked: a processor, unless runs like it say otherwise.

    Raises:
        SelectionError, ModelError: a request that no run could begin with, or a model's folder that it would refuse.
    """
    check_size(spec)
    shape = admitted_shape(spec.model)
    here = [run for run in runs if run.findings is not None and not shipped.is_example(run)]
    alike = [_said(run) for run in here if (run.spec.dtype, run.spec.device) == (spec.dtype, spec.device)]
    dtype = spec.dtype if spec.dtype != "auto" else seen.dtype if seen else alike[0].dtype if alike else None
    device = seen.device if seen else spec.device if spec.device != "auto" else alike[0].device if alike else "cpu"
    kind = "cpu" if device == OFFLOAD else device.partition(":")[0]
    like = [run for run in runs if run.findings is not None and run.spec.model == spec.model]
    layers = shape.layers if shape else _said(like[0]).layers if like else None
    answer = Forecast(None, 0, "", None, "", None, dtype or "float32", dtype is not None, kind)
    if shape is not None and answer.dtype in BYTES:
        answer = replace(answer, memory=forecast.memory(shape, spec.sequences, spec.window, answer.dtype, kind))
        free = available() if kind == "cpu" else seen.room if seen else None
        answer = replace(answer, free=free, offload=spec.device == OFFLOAD)
    if layers is None:
        return answer
    players = players_of(layers, spec.players, spec.protect)
    check_count(spec, len(players))
    masks, scale = _drawn(spec, len(players))
    answer = replace(answer, coalitions=round(len(masks) * scale), ranking=ranking_sentence(database, runs, spec))
    missing = np.ones(len(masks), dtype=np.bool_)
    same = [run for run in like if _same_text(run.spec, spec)]
    if same:
        missing[list(Store(database).known(same[0].game, masks))] = False
        answer = replace(answer, known=round(float((~missing).sum()) * scale), known_in=_said(same[0]).dtype)
    ours = {run.run for run in here}
    told = [run for run in like if run.run in ours and _said(run).measured >= _FEWEST]
    rates = [run for run in told if (_said(run).dtype, _said(run).device.partition(":")[0]) == (dtype, kind)]
    if rates:
        head, best = shape.head if shape else 0.0, max(rates, key=lambda run: _said(run).measured)
        work = forecast.work(_blocks(masks, players, layers), missing, head) * scale * spec.sequences * spec.window
        answer = replace(answer, seconds=work / work_a_second(best, head), rate_of=best.run)
    return answer


def sized(spec: RunSpec, size: str) -> RunSpec:
    """The request in one of the sizes; sequences are its protocol's where it names one."""
    masks, sequences = SIZES[size]
    return replace(spec, masks=masks, sequences=spec.sequences if spec.preset else sequences)


def sentences(found: Forecast) -> dict[str, str]:
    """What a request will take, in words."""
    said = {"To measure": _coalitions(found), "Time": _time(found), "Memory": _memory(found)}
    return {**said, "Ranking": found.ranking} if found.ranking else said


def _coalitions(found: Forecast) -> str:
    if found.coalitions is None:
        return "how many coalitions this model has is known when it has been found."
    already = f"; {found.known:,} are in the results file already, in {found.known_in}" if found.known else ""
    return f"{found.coalitions:,} coalitions, the whole model among them{already}."


def _time(found: Forecast) -> str:
    if found.coalitions is not None and found.known == found.coalitions:
        return (
            f"a few seconds for the estimate, if this machine computes in {found.known_in}: nothing is left to measure."
        )
    if found.seconds is None:
        return "not known until the first coalitions are measured: no earlier run here tells this machine's rate."
    return (
        f"about {duration(found.seconds)} (estimated from run {found.rate_of}) until its contributions are final; its "
        "search and what it compares last come after that."
    )


def _memory(found: Forecast) -> str:
    if found.memory is None:
        return "not known before the model is on this machine and has been read."
    parts = {
        "program": found.memory.program,
        "weights": found.memory.weights,
        "packed copy of them": found.memory.packed,
        "hidden states": found.memory.states,
        "logits": found.memory.logits,
        "a float32 copy at the end": found.memory.exact,
    }
    named = ", ".join(f"{name} {size / 2**20:,.0f} MiB" for name, size in parts.items() if size)
    most = "" if found.dtype_known else " at most, if it computes in float32"
    if found.offload:
        return f"as much as is free; what finds no room stays on the disk (all would take {named})."
    where = "" if found.device == "cpu" else f" of the device {found.device}"
    said = f"about {found.memory.total / 2**30:.1f} GiB{where}{most} (predicted from sizes: {named})."
    if found.free is not None and found.memory.total > found.free:
        have = "are free" if found.device == "cpu" else "it has"
        said += f" That is more than the {amount(found.free)} that {have}: {_SMALLER}."
    return said


def _drawn(spec: RunSpec, players: int) -> tuple[Masks, float]:
    """The coalitions that a run begins with, or the first of them, and how many times as many it measures."""
    _, masks = begin(replace(spec, masks=min(spec.masks, _DRAWN)), players)
    return masks, (1 + spec.masks) / len(masks) if spec.sampler != "exhaustive" else 1.0


def _same_text(one: RunSpec, other: RunSpec) -> bool:
    """Whether two requests measure in the same game."""
    return replace(one, sampler=other.sampler, masks=other.masks, strata=other.strata) == other


def _blocks(masks: Masks, players: Sequence[str], layers: int) -> Masks:
    """Which blocks are computed under masks of players, (masks, layers)."""
    return computed(kept(switches(players, layers), masks))


def work_a_second(run: StoredRun, head: float) -> float:
    """Block-token evaluations a second that a run made, loading and estimating included."""
    result = run.result
    assert result is not None
    model = result.model
    masks, scale = _drawn(run.spec, len(model.players))
    whole = (
        forecast.work(_blocks(masks, model.players, model.layers), np.ones(len(masks), dtype=np.bool_), head) * scale
    )
    share = result.measured / (result.measured + result.cached)
    return whole * share * run.spec.sequences * run.spec.window / result.seconds


def _said(run: StoredRun) -> Findings:
    assert run.findings is not None
    return run.findings
