"""Training of what is left after a removal: steps of AdamW on low-rank additions, of which the best state is kept.

What a step draws (examples, dropout) follows from the seed and the step's number alone. A state of a training is so
whole with its weights and its optimiser, and one that was killed ends with the same bits as one that was not.
"""

import math
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from core.compensation.projections import Patches
from core.errors import EvaluationError, HealingError, QuorumError
from core.healing.adapters import Adapters, Mask
from core.healing.checkpoints import State, save, saved
from core.healing.distillation import divergence, whole_logits
from core.healing.examples import Example, Material, batched, is_predicted, logits_of, loss_of, predicted
from core.healing.stopped import OFTEN
from core.model.model import LoadedModel
from core.records.events import Event, Stage, Training
from core.records.mends import Heal, Healing, Reading

_AT_ONCE = 4  # examples in a forward
_READINGS = 8  # of the held-out loss after the first, in a training
_NORM = 1.0  # to which gradients are clipped


def steps_of(heal: Heal, material: Material) -> int:
    """How many steps a training has."""
    return max(1, heal.epochs * len(material.train) // heal.batch) if heal.epochs else heal.steps


def train(
    loaded: LoadedModel, mask: Mask, patches: Patches, material: Material, heal: Heal, file: Path, *, finish: bool
) -> Generator[Event, None, tuple[Healing, Patches]]:
    """Trains, and tells the held-out perplexity before, at times, and at the end.

    Args:
        loaded: the model; between two events it is as it was.
        mask: (players,), True where a player is kept.
        patches: values that parameters have in place of the model's own, such as a compensation's.
        material: what is trained on.
        heal: how.
        file: where the state lies while the training is under way; it goes on from there.
        finish: makes no more steps: takes the best state that there is, or the last one where that is better.

    Returns:
        What was done, its `before` still NaN; and the patches with the additions of the best state merged.

    Raises:
        HealingError: nothing to finish, or an unusable file.
        EvaluationError: the loss is not a number.
    """
    total, device = steps_of(heal, material), loaded.info.device
    if finish and not file.exists():
        raise HealingError("There is no such training to finish.", "Start it: the same command without --finish.")
    adapters = Adapters(loaded, mask, patches, heal)
    state = saved(file, adapters.weights)
    optimiser = torch.optim.AdamW(adapters.weights.values(), lr=heal.rate, weight_decay=0.0)
    if state is None:
        yield Stage(f"Measuring {len(material.held)} held-out examples before {total} steps")
        first = Reading(0, None, _perplexity(adapters, material.held, device))
        state = State(0, adapters.kept(), optimiser.state_dict(), adapters.kept(), (first,))
        save(file, state)
        yield Stage(f"Training, {total} steps of {heal.batch}")
    else:
        yield Stage(f"Going on after step {state.step} of {total}")
    adapters.put(state.weights)
    optimiser.load_state_dict(state.optimiser)
    readings, best, losses = list(state.readings), state.best, list(state.losses)
    every, last = math.ceil(total / _READINGS), time.monotonic()
    yield _where(total, 0, losses, readings)
    begun = time.monotonic()
    for step in range(state.step, total if not finish else 0):
        losses.append(_step(loaded, adapters, optimiser, material.train, heal, step, total))
        done = step + 1
        reads = done % every == 0 or done == total
        if reads:
            mean = float(np.mean(losses[readings[-1].step :]))
            reading = Reading(done, mean, _perplexity(adapters, material.held, device))
            if reading.perplexity < min(one.perplexity for one in readings):
                best = adapters.kept()
            readings.append(reading)
        now = State(done, adapters.weights, optimiser.state_dict(), best, tuple(readings), tuple(losses))
        if reads or time.monotonic() - last > OFTEN:
            save(file, now)
            last = time.monotonic()
        left = (time.monotonic() - begun) * (total - done) / (done - state.step)
        try:
            if reads:
                yield Stage(_told(readings, total))
            yield _where(total, step, losses, readings, left)
        except GeneratorExit:  # somebody has cancelled it
            with suppress(QuorumError):  # on a full disk the last state stays
                save(file, now)
            raise
    if finish and state.step > readings[-1].step:  # it was stopped between two readings
        yield Stage(f"Measuring what is held out after step {state.step}")
        mean = float(np.mean(losses[readings[-1].step :]))
        readings.append(Reading(state.step, mean, _perplexity(adapters, material.held, device)))
        if readings[-1].perplexity < min(one.perplexity for one in readings[:-1]):
            best = state.weights
        yield _where(total, len(losses), losses, readings)
    adapters.put(best)
    done = state.step if finish else total
    told = Healing(
        material.text, material.tokens, len(material.train), len(material.held), done, tuple(readings), math.nan
    )
    return told, adapters.merged() if told.kept.step else patches


def batch_of(examples: Sequence[Example], heal: Heal, step: int) -> list[Example]:
    """The examples of a step: each pass over all of them is in an order of its own."""
    places = (divmod(place, len(examples)) for place in range(step * heal.batch, (step + 1) * heal.batch))
    return [examples[_order(len(examples), heal.seed, epoch)[at]] for epoch, at in places]


def rate_at(heal: Heal, step: int, total: int) -> float:
    """The learning rate of a step: up in a line while it warms up, then down in a line."""
    if step < heal.warmup:
        return heal.rate * step / heal.warmup
    return heal.rate * (total - step) / max(1, total - heal.warmup)


def _step(
    loaded: LoadedModel,
    adapters: Adapters,
    optimiser: torch.optim.Optimizer,
    examples: Sequence[Example],
    heal: Heal,
    step: int,
    total: int,
) -> float:
    """One step; its mean loss, nats a token."""
    batch, device = batch_of(examples, heal, step), loaded.info.device
    tokens, loss = predicted(batch), 0.0
    for group in optimiser.param_groups:
        group["lr"] = rate_at(heal, step, total)
    with torch.random.fork_rng():
        torch.manual_seed(heal.seed + 1 + step)
        for start in range(0, len(batch), _AT_ONCE):
            some = batch[start : start + _AT_ONCE]
            whole = whole_logits(loaded, some) if heal.distil else None
            with adapters.working(training=True) as model:
                logits = logits_of(model, some, device)
                part = loss_of(logits, some)
                if whole is not None:
                    of_these = logits[is_predicted(batched(some)[1]).to(logits.device)]
                    learnt = divergence(of_these, whole, heal.temperature)
                    part = (1 - heal.distil) * part + heal.distil * learnt
                (part / tokens).backward()  # type: ignore[no-untyped-call]
            loss += float(part.detach()) / tokens
    if not math.isfinite(loss):
        raise EvaluationError(
            f"The training loss of step {step + 1} is not a number.",
            "The best state before is kept: the same command with --finish exports it.",
        )
    torch.nn.utils.clip_grad_norm_(adapters.weights.values(), _NORM)
    optimiser.step()
    optimiser.zero_grad()
    return loss


def _perplexity(adapters: Adapters, examples: Sequence[Example], device: str) -> float:
    """Of what is held out; infinite where it is not a number, so that it is never the best."""
    loss, tokens = 0.0, 0
    with adapters.working(training=False) as model:
        for start in range(0, len(examples), _AT_ONCE):
            some = examples[start : start + _AT_ONCE]
            loss += float(loss_of(logits_of(model, some, device), some))
            tokens += predicted(some)
    with np.errstate(over="ignore"):
        found = float(np.exp(loss / tokens))
    return found if math.isfinite(found) else math.inf


def _where(
    total: int, first: int, losses: Sequence[float], readings: Sequence[Reading], left: float = math.nan
) -> Training:
    """What is told after a step; `first`: of how many steps the losses have been told before."""
    return Training(len(losses) / total, total, first, tuple(losses[first:]), tuple(readings), left)


def _told(readings: Sequence[Reading], total: int) -> str:
    now, first = readings[-1], readings[0]
    return (
        f"Step {now.step} of {total}: training loss {now.loss:.4f}, held-out perplexity {now.perplexity:.3f}, "
        f"before {first.perplexity:.3f}"
    )


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed * 1000 + epoch)
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order
