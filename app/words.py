"""The words for people: players by name, kinds of value and of interaction, how long something takes, what was saved.

Of players, "3" is a block, "3a" and "3m" are its halves, "8-11" is a group.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from core.coalitions.masks import removed
from core.coalitions.players import are_halves, mask_without, names
from core.records.behaviour.writes import Behaviour
from core.records.events import Exported, Progress
from core.records.looks import Workers
from core.records.spec import BUNDLED, BUNDLED_HUB, ModelInfo
from core.text.self_written.prompt_file import is_self_written, name_of

Players = Sequence[str]

KINDS = {
    "stratified": "**Stratified contribution** (the paper's): what is lost on average when this layer goes, over "
    "random sets of the sizes that were sampled. It is not the Shapley value, which weighs all sizes alike.",
    "shapley": "**Shapley value**: what is lost on average when this layer goes, over sets of every size, all sizes "
    "alike; the layers' values sum to what the whole model is worth more than none of its layers.",
    "banzhaf": "**Banzhaf value**: what is lost on average when this layer goes, over all sets alike, most of which "
    "keep about half of the layers.",
    "local": "**Local value**: what is lost on average when this layer goes while each other one is kept with "
    "probability 0.9, as when few layers are pruned.",
}
INDICES = {
    "local": "**Local interaction**: each other layer is kept with probability 0.9, as when few layers are pruned.",
    "shapley": "**Shapley interaction index**: over sets of the other layers of every size, all sizes alike.",
    "faithful": "**Faithful interaction** (Faith-Shap): the pairs' terms of the game of single layers and pairs that "
    "is nearest to this one.",
    "banzhaf": "**Banzhaf interaction**: over all sets of the other layers alike, most of which keep about half of "
    "them.",
}

FITS = {
    "none": "None: the weights that stay are the model's own",
    "scale": "Scale: later layers add less",
    "refit": "Refit: the layer before each cut makes up for it",
    "logits": "Logits: a refit, then steps towards what the whole model predicts",
}
PARTS = {
    "coalitions": "Measuring",
    "fit": "Estimating contributions",
    "search": "Searching for the best plans",
    "predictions": "Asking what plans predict of unseen text, and small sums",
    "precision": "Comparing with float32",
    "surrogates": "Comparing surrogates",
}

_FEW_WORKERS = 4  # of whom each is told of by itself


def named(players: Players, chosen: Iterable[int], between: str = ", ") -> str:
    """The names of some players, in the order in which they are given."""
    return between.join(players[index] for index in chosen)


def labels(players: Players) -> list[int | str]:
    """The names as a column of a table: numbers where all are, so that a reader who sorts by them gets their order."""
    return names(players, range(len(players)))


def numbers(players: Players, text: str) -> tuple[int, ...]:
    """The players whose names were written with commas between, in the order of the model; the inverse of `named`.

    Raises:
        SelectionError: no such player, one named twice, or all of them.
    """
    return removed(mask_without(players, [name for part in text.split(",") if (name := part.strip())]))


def legend(players: Players) -> str:
    """What a player is, where it is not a layer; empty where it is."""
    if are_halves(players):
        return (
            f"The players of this run are {len(players)} halves of layers: 3a is the attention (or another mixer) of "
            "layer 3, and 3m its MLP. Where a page says layer, it means such a half."
        )
    if any("-" in name for name in players):
        return (
            f"The players of this run are {len(players)} groups of layers: 8-11 are the layers 8 to 11, which stay or "
            "go together. Where a page says layer, it means such a group."
        )
    return ""


def uncached(model: ModelInfo, removed: Sequence[int]) -> str:
    """What a hybrid loses with its last layer of attention, and what to do; empty where it keeps one, or needs none."""
    if not model.is_uncached_without(removed):
        return ""
    some = ", ".join(map(str, model.attention[:8])) + (", …" if len(model.attention) > 8 else "")
    return (
        f"Without {'layers' if len(model.attention) > 1 else 'layer'} {some} this hybrid model has no attention left, "
        f"and generates no more with a cache: keep one of them, such as layer "
        f"{model.attention[len(model.attention) // 2]}, or it writes slowly."
    )


def poor_writing(judged: Behaviour | None) -> str:
    """That a model does not write as the whole one does; empty where it does, and where nobody has judged it."""
    if judged is None or judged.pruned.verdict == "writes" or judged.whole.verdict != "writes":
        return ""
    how = "repeats itself" if judged.pruned.verdict == "repeats" else "is broken"
    return (
        f"Its writing {how}: judged by {len(judged.prompts)} greedy texts of {judged.tokens} tokens without any "
        "compensation; the whole model writes. A smaller cut may write, too."
    )


def called(source: str) -> str:
    """What people call a model or a text: its name on the Hub, a corpus' own, or the last part of its path."""
    if source == BUNDLED:
        return BUNDLED_HUB.rpartition("/")[2]
    if is_self_written(source):
        return name_of(source)
    path = PurePath(source)
    return path.name or source if path.is_absolute() else source


def part_of(progress: Progress) -> str:
    """What a run does now, and which of its parts that is."""
    place = "" if progress.nth is None else " ({} of {})".format(*progress.nth)
    return f"{PARTS[progress.part]}{place}"


def standing(progress: Progress) -> str:
    """What a run does now, how long all of it still takes, and how right that has been so far."""
    left = "" if math.isnan(progress.seconds_left) else f", {duration(progress.seconds_left)} left for all of it"
    within = "" if progress.within is None else f" (so far this estimate has been within {progress.within:.0%})"
    workers = "" if progress.workers is None else f"; {each_worker(progress.workers)}"
    return f"{part_of(progress)}{left}{within}{workers}"


def each_worker(workers: Workers) -> str:
    """How far each worker of a run is, or of many the last and the first."""
    done = sorted(workers.coalitions, reverse=True)
    each = ", ".join(map(str, done)) if len(done) <= _FEW_WORKERS else f"{done[-1]} to {done[0]}"
    parts = [f"{_counted(len(done))} ({each} coalitions)"] if done else []
    if workers.starting:
        parts.append(f"{workers.starting} starting" if done else f"{_counted(workers.starting)} starting")
    return ", ".join([*parts, *([f"{workers.lost} lost"] if workers.lost else [])])


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def saved(done: Exported) -> list[str]:
    """What an export has saved, in sentences without a full stop: parameters, gone or only zero, and the speed."""
    zeros = (
        f"; {done.zeroed:,} more are zero and still in the file: half of a layer saves neither memory nor much time"
        if done.zeroed
        else ""
    )
    return [
        f"{done.deleted:,} parameters are gone from the file{zeros}",
        f"a forward of one window takes {done.pruned:.3g} s, the whole model's {done.whole:.3g} s (medians, measured "
        "on this machine)",
        *([f"{done.gguf} is the same in half precision, for llama.cpp and what is built on it"] if done.gguf else []),
    ]
