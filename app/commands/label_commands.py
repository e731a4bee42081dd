"""The command that says something of a run, and puts it away: its name, its note, the archive, deleting."""

import argparse

from app.cli.opening import database_of
from app.cli.terminal import say
from cache import labels, queries
from cache.labels import Label
from core.errors import NotAllowed


def label(options: argparse.Namespace) -> None:
    """Names a run, annotates it, archives, deletes or restores it; says what is said of it now."""
    database = database_of(options)
    found = queries.find_run(database, options.run, deleted=True)
    if options.put == "deleted" and found.status == "running":
        raise NotAllowed(f"Run {found.run} is being measured.", "Stop it first.")
    if options.name is not None:
        labels.rename(database, found.run, options.name)
    if options.note is not None:
        labels.annotate(database, found.run, options.note)
    if options.put is not None:
        put = {"archived": labels.archive, "deleted": labels.delete, "restored": labels.restore}
        put[options.put](database, found.run)
    now = queries.find_run(database, found.run, deleted=True).label
    text = "\n".join([f"run {found.run}", *said_of(now)])
    say(options.json, {"run": found.run} | label_object(now), text)


def label_object(label: Label) -> dict[str, object]:
    """A label in JSON."""
    return {
        "name": label.name,
        "note": label.note,
        "archived": label.archived,
        "deleted": label.deleted.isoformat() if label.deleted else None,
    }


def said_of(label: Label) -> list[str]:
    """A label as lines for a person."""
    lines = [f"name: {label.name}"] if label.name else []
    lines += [f"note: {line}" for line in label.note.splitlines()]
    if label.archived:
        lines.append("It is in the archive: `runs --archived` lists it.")
    if label.until is not None:
        lines.append(
            f"It is deleted: `label RUN --restore` brings it back until {label.until:%Y-%m-%d %H:%M} UTC. What it has "
            "measured stays, for other runs."
        )
    return lines
