"""Compares two schemas of a message: may readers and writers of both live at the same time?

Streams keep old messages and workers are replaced one by one, so a message of the wire may only
gain and lose optional fields (``full``). A topic's input must still take every old task
(``input``); its output must still be understood by whoever reads results (``output``).
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from pepperpy_schemas._reading import Comparison, Finding, Kind
from pepperpy_schemas._schema_parts import Schema
from pepperpy_schemas.errors import BadPayload, NotFound, SchemaIncompatible
from pepperpy_schemas.exporting import INDEX

Mode = Literal["full", "input", "output"]
"""``full``: both of the others. ``input``: new readers, old messages. ``output``: old readers, new
messages."""

_NO_SCHEMA: Final = frozenset({INDEX, "asyncapi.json"})
_NAMED_AT_MOST: Final = 5


class Change(msgspec.Struct, frozen=True):
    """A difference between an old and a new schema.

    Attributes:
        path: The field, as error messages write it: ``$.error.code``.
        kind: What changed.
        breaking: Whether the mode forbids it.
        message: The fact, for people.
    """

    path: str
    kind: Kind
    breaking: bool
    message: str


def compare(old: Schema, new: Schema, *, mode: Mode = "full") -> list[Change]:
    """Returns every change between two JSON Schemas, the breaking ones first.

    Raises:
        SchemaIncompatible: A schema is nested without end, so that nobody can judge it.
    """
    try:
        backward = Comparison(old, new, names=("old", "new"), notes=True).findings()
        forward = Comparison(new, old, names=("new", "old"), notes=False).findings()
    except RecursionError:
        raise SchemaIncompatible("the schemas refer to themselves without end") from None
    changes = [_change(one, breaking=mode != "output" or one.always) for one in backward]
    changes += [_change(one, breaking=mode != "input") for one in forward]
    return _once_each(changes)


def check(old: Schema, new: Schema, *, what: str, mode: Mode = "full") -> list[Change]:
    """Returns the changes when none of them breaks anybody.

    Args:
        old: The schema that is in use.
        new: The one that shall follow it.
        what: What the schemas describe, for the error (``"input of topic triage"``).
        mode: Who has to understand whom.

    Raises:
        SchemaIncompatible: A change is breaking; the message names the fields.
    """
    changes = compare(old, new, mode=mode)
    refuse_breaking(changes, what=what)
    return changes


def refuse_breaking(changes: list[Change], *, what: str) -> None:
    """Raises when a change is breaking.

    Raises:
        SchemaIncompatible: ``context.changes`` has every breaking change.
    """
    breaking = [change for change in changes if change.breaking]
    if not breaking:
        return
    told = "; ".join(f"{change.path}: {change.message}" for change in breaking[:_NAMED_AT_MOST])
    more = len(breaking) - _NAMED_AT_MOST
    raise SchemaIncompatible(
        f"{what} changes incompatibly: {told}" + (f"; and {more} more" if more > 0 else ""),
        context={"changes": msgspec.to_builtins(breaking)},
    )


def compare_directories(old: Path, new: Path, *, mode: Mode = "full") -> list[Change]:
    """Returns the changes between two exported directories; paths begin with the message's name.

    Raises:
        NotFound: A directory has no exported schemas.
        BadPayload: A file is not JSON.
    """
    return compare_messages(read_directory(old), read_directory(new), mode=mode)


def compare_messages(
    before: dict[str, Schema], after: dict[str, Schema], *, mode: Mode = "full"
) -> list[Change]:
    """Returns the changes between two sets of messages, by name; the breaking ones first."""
    changes = [
        Change(name, "removed", True, "the message is gone, and its old ones may still be stored")
        for name in before.keys() - after.keys()
    ]
    changes += [
        Change(name, "added", False, "a new message") for name in after.keys() - before.keys()
    ]
    for name in before.keys() & after.keys():
        changes += [
            msgspec.structs.replace(change, path=name + change.path.removeprefix("$"))
            for change in compare(before[name], after[name], mode=mode)
        ]
    return sorted(changes, key=lambda change: (not change.breaking, change.path))


def read_directory(directory: Path) -> dict[str, Schema]:
    """Returns the schemas of an exported directory by the name of their message.

    Raises:
        NotFound: The directory has no exported schemas.
        BadPayload: A file is not JSON.
    """
    files = sorted(directory.glob("*.json")) if directory.is_dir() else []
    schemas = {file.stem: _read(file) for file in files if file.name not in _NO_SCHEMA}
    if not schemas:
        raise NotFound(
            f"{directory} has no exported schemas",
            hint="write them with: pepperpy schema export DIR",
            context={"directory": str(directory)},
        )
    return schemas


def _change(finding: Finding, *, breaking: bool) -> Change:
    matters = finding.blocks or finding.always
    return Change("$" + finding.path, finding.kind, breaking and matters, finding.message)


def _once_each(changes: list[Change]) -> list[Change]:
    """A retyped field shows in both directions; the breaking one of the two is told."""
    once: dict[tuple[str, str], Change] = {}
    for change in sorted(changes, key=lambda one: not one.breaking):
        once.setdefault((change.path, change.kind), change)
    return list(once.values())


def _read(file: Path) -> Schema:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Schema)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadPayload(f"{file} is not a JSON Schema: {error}", hint="export it again") from error
