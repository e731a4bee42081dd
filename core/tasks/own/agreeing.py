"""Agreement with the whole model, as a task: its items are windows of text that no run measures.

Each token of a window but the first is asked for, after those before it; right is the one that the whole model finds
likeliest there. An item's accuracy is the share of its tokens that are right, the top-1 agreement of `core.writing`.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from core.errors import TaskError
from core.evaluate.game import Game, Games
from core.model.model import LoadedModel
from core.records.behaviour.task_scores import AGREEMENT
from core.records.events import Event, Stage
from core.records.spec import RunSpec
from core.tasks.items import Item
from core.tasks.likelihood import Likelihoods
from core.tasks.named_task import NamedTask

_MOST = 2**26  # token ids in all contexts, since each token has its own; they take half a GiB


class Agreeing:
    """What is asked and counted; the items follow from the model (`agreement_items`)."""

    def process_results(self, document: object, responses: Sequence[tuple[float, bool]]) -> dict[str, float]:
        """The share of a window's tokens that are right."""
        return {"acc": fmean(greedy for _, greedy in responses)}

    def aggregation(self) -> Mapping[str, Callable[[Sequence[float]], float]]:
        """The mean over windows, which are of one length."""
        return {"acc": fmean}


def opening(
    games: Games, spec: RunSpec, windows: int | None, check: Callable[[tuple[str, ...]], object]
) -> Generator[Event, None, Game]:
    """The model on so many unseen windows of the run's text, as many as the run has if no number is given.

    Raises:
        TaskError: so many windows have contexts that memory is not meant for.
        QuorumError: as `Games.open`.
    """
    text = replace(spec.text("evaluation"), sequences=windows or spec.sequences)
    _check_size(text.sequences or 1, text.window)
    return (yield from games.open(spec, text, check))


def agreement_items(game: Game) -> Generator[Event, None, tuple[NamedTask, list[Item]]]:
    """The task, and an item for each window of a game, once the whole model has read it."""
    yield Stage(f"Asking the whole model for the likeliest tokens of {len(game.windows.ids)} unseen windows")
    ways, rows = Likelihoods(game.loaded), [tuple(map(int, row)) for row in game.windows.ids]
    items = [_item(ways, game.loaded, row) for row in rows]
    return NamedTask(AGREEMENT, Agreeing(), "evaluation", str(game.windows.protocol), "1", 0), items


def _check_size(windows: int, window: int) -> None:
    each = window * (window - 1) // 2
    if windows * each > _MOST:
        most = _MOST // each
        raise TaskError(
            f"Agreement on {windows:,} windows of {window:,} tokens has {windows * each:,} tokens in its contexts, and "
            f"{_MOST:,} are the most.",
            f"Ask for {most:,} windows or fewer: --limit {most}." if most else "Ask a run with shorter windows.",
        )


def _item(ways: Likelihoods, loaded: LoadedModel, row: tuple[int, ...]) -> Item:
    before = [row[:place] for place in range(1, len(row))]
    read = Item(None, tuple((context, row[len(context) : len(context) + 1]) for context in before))
    likeliest = ways.likeliest(read, len(loaded.info.players))
    return Item(None, tuple((context, (token,)) for context, token in zip(before, likeliest, strict=True)))
