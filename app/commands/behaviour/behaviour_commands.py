"""The command that tells how a plan's model behaves."""

import argparse
from dataclasses import asdict

from app.cli.opening import database_of, engine_on
from app.cli.terminal import follow, say
from app.commands.export_commands import chosen, finished
from core.coalitions.players import names
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


def _lines(found: Behaviour) -> list[str]:
    near, both = found.agreement, (found.whole, found.pruned)

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
        f"unseen text: {found.protocol}",
        row("same likeliest token", "", _share(near.top1)),
        row("KL by token, 50 %, 90 %, nats", "", f"{near.kl_50:.3f}, {near.kl_90:.3f}"),
        row("KL by token, 99 %, 99.9 %, nats", "", f"{near.kl_99:.3f}, {near.kl_999:.3f}"),
        row(f"last word found, of {found.whole_words.of:,}", _share(found.whole_words), _share(found.pruned_words)),
        "±: standard error over windows",
    ]


def _share(share: Share) -> str:
    return f"{share.value:.1%} ± {share.error:.1%}" if share.of else "none to find"
