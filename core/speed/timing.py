"""The whole model and a smaller one write in turn, so that a machine whose speed drifts treats them alike."""

from collections.abc import Generator, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from transformers import PreTrainedModel

from core.checkpoint.checkpoint import Checkpoint, finding
from core.checkpoint.quantisation import count_parameters
from core.coalitions.masks import encode
from core.coalitions.players import indexes, mask_without
from core.errors import EvaluationError, SelectionError
from core.evaluate.game import Games
from core.model.model import LoadedModel, load
from core.records.behaviour.speeds import Pace, Paces, Ratio, Speed, SpeedProtocol, Speedup, Spread
from core.records.events import Event, Stage, Timed
from core.records.spec import RunSpec
from core.records.storage import Store
from core.speed.generating import Generation, generation
from core.speed.peak_memory import most_held, weight_bytes
from core.speed.shared_copy import shared_copy

_TOLD = 10  # runs, after which it is told how far they are


def timing(
    store: Store, games: Games, spec: RunSpec, removed: Sequence[int | str], how: SpeedProtocol, folder: str | None
) -> Iterator[Event]:
    """The events of `Engine.time`, the last of which is Timed; `store` keeps what is found of this model's layers."""
    how.check()
    other = (yield from _found(folder, how)) if folder is not None else None
    yield from _found(spec.model, how)
    game = yield from games.open(spec, spec.text(), lambda players: mask_without(players, removed))
    loaded, info = game.loaded, game.loaded.info
    whole = shared_copy(loaded, np.ones(len(info.players), dtype=np.bool_))
    if other is None:
        smaller = shared_copy(loaded, mask_without(info.players, removed))
    else:
        yield Stage(f"Loading the model {folder}")
        smaller = _alone(load(other, info.dtype, loaded.device))
    speed = yield from in_turn((whole, smaller), how)
    if other is None:
        store.record_traits(info, encode(mask_without(info.players, removed)), speed)
    yield Timed(speed, info, indexes(info.players, removed))


def in_turn(models: tuple[PreTrainedModel, PreTrainedModel], how: SpeedProtocol) -> Generator[Event, None, Speed]:
    """Times the whole model and a smaller one on the same prompts; a Stage tells how far it is, after every run.

    Raises:
        EvaluationError: a batch needs more memory than the device has.
    """
    paces: tuple[list[Pace], list[Pace]] = [], []
    speedups = []
    for batch in how.batches:
        yield Stage(f"Looking how much memory batch {batch} takes")
        ids = prompts(models, how.prompt, batch)
        try:
            beside = [most_held(str(ids.device), partial(generation, model, ids, how.tokens)) for model in models]
            found = yield from alternating(models, ids, how)
        except torch.OutOfMemoryError as cause:
            raise EvaluationError(
                f"A batch of {batch} needs more memory than {ids.device} has.", "Use smaller --batches."
            ) from cause
        for model, own, runs, held in zip(models, paces, found, beside, strict=True):
            peak = None if held is None else weight_bytes(model) + held
            own.append(_pace(batch, how, runs[how.warm_up :], peak))
        speedups.append(_speedup(batch, *(runs[how.warm_up :] for runs in found)))
    sizes = [(count_parameters(model), weight_bytes(model)) for model in models]
    whole, smaller = (Paces(*size, tuple(own)) for size, own in zip(sizes, paces, strict=True))
    return Speed(how, _named(models[0].device), torch.get_num_threads(), whole, smaller, tuple(speedups))


def _named(device: torch.device) -> str:
    """A device by its kind and, of an accelerator, its name."""
    return f"{device.type} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def alternating(
    models: tuple[PreTrainedModel, PreTrainedModel], ids: torch.Tensor, how: SpeedProtocol
) -> Generator[Event, None, tuple[list[Generation], list[Generation]]]:
    """All runs of both models on the same prompts, those that warm up first; a Stage tells how far it is."""
    found: tuple[list[Generation], list[Generation]] = [], []
    for run in range(how.runs):
        if run == 1 or run % _TOLD == 0:
            stage = f"Timing both models in turn, batch {len(ids)}: {_standing(run, found, how)}"
        yield Stage(stage)
        for place in (0, 1) if run % 2 else (1, 0):
            found[place].append(generation(models[place], ids, how.tokens))
    return found


def _standing(done: int, found: Sequence[Sequence[Generation]], how: SpeedProtocol) -> str:
    """How far a batch is, and how long the rest of it takes as it has gone so far."""
    if not done:
        return f"{how.runs} runs of each"
    took = sum(run.latency for runs in found for run in runs)
    return f"{done} of {how.runs} runs of each, {took / done * (how.runs - done):,.0f} s left"


def _found(name: str, how: SpeedProtocol) -> Generator[Event, None, Checkpoint]:
    """A model's files; SelectionError, before weights are read, where the text would outgrow its positions."""
    checkpoint = yield from finding(name)
    length, most = how.prompt + how.tokens, checkpoint.positions
    if most is not None and 0 < most < length:
        raise SelectionError(
            f"A prompt of {how.prompt} tokens and {how.tokens} new ones are {length}: {name} has {most} positions.",
            f"Use --tokens {most - how.prompt} or less." if how.prompt + 2 <= most else "Use a shorter --prompt.",
        )
    return checkpoint


def _alone(loaded: LoadedModel) -> PreTrainedModel:
    """A model of its own folder, as it writes."""
    return shared_copy(loaded, np.ones(len(loaded.info.players), dtype=np.bool_))


def prompts(models: Sequence[PreTrainedModel], length: int, batch: int) -> torch.Tensor:
    """The same random tokens for all, (batch, length), on their device."""
    known = min(model.config.get_text_config(decoder=True).vocab_size for model in models)
    ids = torch.randint(known, (batch, length), generator=torch.Generator().manual_seed(0))
    return ids.to(models[0].device)


def _pace(batch: int, how: SpeedProtocol, runs: Sequence[Generation], peak: int | None) -> Pace:
    latency = _spread([run.latency for run in runs])
    return Pace(
        batch=batch,
        prefill=_spread([run.prefill for run in runs]),
        decode=_spread([run.decode for run in runs]),
        latency=latency,
        throughput=batch * how.tokens / latency.mean,
        cache_bytes=runs[-1].cache,
        peak_bytes=peak,
    )


def _spread(seconds: Sequence[float]) -> Spread:
    return Spread(float(np.mean(seconds)), float(np.std(seconds, ddof=1)))


def _speedup(batch: int, whole: Sequence[Generation], smaller: Sequence[Generation]) -> Speedup:
    return Speedup(
        batch,
        latency=ratio([run.latency for run in whole], [run.latency for run in smaller]),
        prefill=ratio([run.prefill for run in whole], [run.prefill for run in smaller]),
        decode=ratio([run.decode for run in whole], [run.decode for run in smaller]),
    )


def ratio(whole: Sequence[float], smaller: Sequence[float]) -> Ratio:
    """Of the means. What slows both runs of a pair alike is no error of it: the usual estimator of a ratio."""
    above, below = np.array(whole), np.array(smaller)
    value = above.mean() / below.mean()
    error = np.std(above - value * below, ddof=1) / below.mean() / np.sqrt(len(below))
    return Ratio(float(value), float(error))
