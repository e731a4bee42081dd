"""The commands that tell how a plan's model behaves, and how near every plan's predictions are to the whole one's."""

import argparse
from dataclasses import asdict
from functools import partial

from app.cli.opening import database_of, engine_on
from app.cli.terminal import follow, returned, say
from app.commands.export_commands import chosen, finished
from cache import queries
from core.coalitions.players import indexes, names
from core.records.behaviour.writes import Behaviour, Share
from core.records.events import Behaved


def behaviour(options: argparse.Namespace) -> None:
    """What a plan's model writes, and where it agrees with the whole one."""
    database = database_of(options)
    result, spec = finished(database, options.run)
    removed = chosen(database, options, result)
    done = follow(engine_on(database).behave(spec, removed, options.tokens, options.windows))
    assert isinstance(done, Behaved)
    found = done.found
    gone = names(found.model.players, found.removed)
    answer = {"run": result.run, **asdict(found), "removed": gone}
    say(
        options.json, answer, "\n".join([f"run {result.run} without layers {','.join(map(str, gone))}", *_lines(found)])
    )


def agreement(options: argparse.Namespace) -> None:
    """How near the predictions of plans are to the whole model's on unseen text."""
    database = database_of(options)
    result, spec = finished(database, options.run)
    removals = options.remove or [plan.removed for plan in queries.find_selection(database, result.run).plans]
    from core.writing.predicting import predicting  # with torch

    asked = partial(predicting, spec=spec, removals=removals, windows=options.windows)
    model, found = returned(engine_on(database).lend(asked))
    gone = [names(model.players, indexes(model.players, removed)) for removed in removals]
    answer = {
        "run": result.run,
        "model": asdict(model),
        "plans": [{"removed": each, **asdict(one)} for each, one in zip(gone, found, strict=True)],
    }
    whole = found[0].whole_words
    lines = [
        f"run {result.run}: {model.source}, {model.dtype}; unseen text: {found[0].protocol}",
        f"the whole model finds {told(whole)} of {whole.of:,} last words of passages; ±: standard error over windows",
        "removed       same token       last words  KL by token, nats: 50 %     90 %     99 %   99.9 %  layers",
    ]
    for each, one in zip(gone, found, strict=True):
        near = one.agreement
        apart = f"{near.kl_50:23.3f} {near.kl_90:8.3f} {near.kl_99:8.3f} {near.kl_999:8.3f}"
        shares = f"{told(near.top1):>15}  {told(one.pruned_words):>15}"
        lines.append(f"{len(each):7d}  {shares}  {apart}  {','.join(map(str, each))}")
    say(options.json, answer, "\n".join(lines))


def _lines(found: Behaviour) -> list[str]:
    near, seen, both = found.predicts.agreement, found.predicts, (found.whole, found.pruned)

    def row(what: str, *cells: str) -> str:
        return f"{what:44}{''.join(f'{cell:>18}' for cell in cells)}"

    def figures(what: str, of: str) -> str:
        return row(what, *(f"{getattr(writes, of):.3f}" for writes in both))

    return [
        f"{len(found.prompts)} greedy texts of {found.tokens} tokens at most, after stored prompts",
        row("", "whole", "pruned"),
        row("verdict", *(writes.verdict for writes in both)),
        figures("distinct-2", "distinct2"),
        figures("longest repeated n-gram, tokens", "longest_repeat"),
        figures("share that ends in a loop", "loops"),
        figures("whole model's loss on them, nats a token", "surprise"),
        row("tokens until the first difference", "", f"{found.pruned.agreed:.1f}"),
        f"unseen text: {seen.protocol}",
        row("same likeliest token", "", told(near.top1)),
        row("KL by token, 50 %, 90 %, nats", "", f"{near.kl_50:.3f}, {near.kl_90:.3f}"),
        row("KL by token, 99 %, 99.9 %, nats", "", f"{near.kl_99:.3f}, {near.kl_999:.3f}"),
        row(f"last word found, of {seen.whole_words.of:,}", told(seen.whole_words), told(seen.pruned_words)),
        "±: standard error over windows",
    ]


def told(share: Share) -> str:
    """A share with its standard error."""
    return f"{share.value:.1%} ± {share.error:.1%}" if share.of else "none to find"
