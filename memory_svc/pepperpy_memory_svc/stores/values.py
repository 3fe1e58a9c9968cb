"""Which values can be stored and asked for, in any database; the others are refused before."""

import asyncio
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from pepperpy_memory_svc.stores.rows import MAX_LEG, Generation, Lexemes, Row, Vector, Wanted
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.memory import Entry

MAX_CHARACTERS: Final = 1_000_000
"""Longest text of an entry."""
MAX_NAME: Final = 256
"""Longest name of a namespace, session, agent or principal, in characters."""
MAX_LEXEME: Final = 128
"""Characters of a lexeme that count; the rest is cut off, in entries and in questions alike."""
MAX_IDS: Final = 10_000
"""Most ids, turns or rows of one call."""

_FEW: Final = 16
"""Entries that are checked at once."""
_SMALL: Final = 10_000
"""Bytes of their metadata."""
_MAX_DEPTH: Final = 32
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# PostgreSQL stores no NUL, and no UTF-8 at all has a lone half of a pair.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_TEXTS: Final = ("session", "agent", "lang", "by")


def refuse(path: str, fact: str, hint: str = "") -> BadPayload:
    """Returns the error for a value, which names its place."""
    return BadPayload(f"{path}: {fact}", hint=hint, context={"path": path})


def check_text(value: str, path: str, *, most: int, least: int = 0) -> None:
    """Refuses a text that is too long or short, or has characters that no database stores."""
    if not least <= len(value) <= most:
        raise refuse(path, f"it has {len(value)} characters, {least} to {most} are allowed")
    found = _UNSTORABLE.search(value)
    if found is not None:
        raise refuse(
            path,
            f"character {found.start()} is {found[0]!r}",
            "leave out NUL and halves of surrogate pairs",
        )


def check_namespace(name: str) -> None:
    """Refuses what is no name of a namespace."""
    check_text(name, "namespace", most=MAX_NAME, least=1)


def check_ids(ids: Sequence[str]) -> list[str]:
    """Returns the ids that could be there; what is no id is none."""
    check_number(len(ids), "ids", least=0, most=MAX_IDS)
    return [each for each in ids if _ID.fullmatch(each)]


def check_after(id: str) -> None:  # noqa: A002 - as in Entry
    """Refuses what is no id to go on after; the empty text is before all."""
    if id and not _ID.fullmatch(id):
        raise refuse("after", f"{id[:80]!r} is no id", "give the last id of the page before")


def check_number(value: int, path: str, *, least: int, most: int) -> None:
    """Refuses a number outside of its bounds."""
    if not least <= value <= most:
        raise refuse(path, f"{value} is not from {least} to {most}")


def check_entry(entry: Entry, namespace: str) -> None:
    """Refuses an entry with a value that cannot be stored."""
    if entry.namespace != namespace:
        raise refuse("namespace", f"the entry is of {entry.namespace!r}, not of {namespace!r}")
    if not _ID.fullmatch(entry.id):
        raise refuse("id", f"{entry.id[:80]!r} is no id", "use 1 to 64 of A-Z a-z 0-9 _ -")
    check_text(entry.text, "text", most=MAX_CHARACTERS, least=1)
    check_text(entry.source, "source", most=MAX_CHARACTERS)
    for name in _TEXTS:
        check_text(getattr(entry, name), name, most=MAX_NAME)
    for number, link in enumerate(entry.links):
        check_text(link.to, f"links[{number}].to", most=64)
        check_text(link.kind, f"links[{number}].kind", most=MAX_NAME)
    _check_json(entry.metadata, "metadata", 0)
    _check_numbers(entry)
    for name in ("at", "created", "updated", "expires"):
        check_time(getattr(entry, name), name)


def _check_numbers(entry: Entry) -> None:
    check_number(entry.seq, "seq", least=0, most=2**62)
    _check_json(entry.importance, "importance", 0)
    _check_json(entry.ttl, "ttl", 0)


def check_time(value: datetime | None, path: str) -> None:
    """Refuses a time without an offset, or out of the calendar."""
    if value is None:
        return
    if value.tzinfo is None:
        raise refuse(path, "the time has no offset")
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise refuse(path, f"{value} is outside of the calendar") from None


def _check_json(value: Any, path: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise refuse(path, f"it is nested deeper than {_MAX_DEPTH} levels")
    match value:
        case str():
            check_text(value, path, most=MAX_CHARACTERS)
        case bool() | None:
            pass
        case int():
            check_number(value, path, least=-(2**63), most=2**63 - 1)
        case float():
            if not math.isfinite(value):
                raise refuse(path, f"{value} is no number of JSON")
        case Mapping():
            for key, below in value.items():
                if not isinstance(key, str):
                    raise refuse(path, f"the key {key!r} is no text")
                check_text(key, f"{path}.{key[:80]!r}", most=MAX_NAME)
                _check_json(below, f"{path}.{key}", depth + 1)
        case list() | tuple():
            for number, below in enumerate(value):
                _check_json(below, f"{path}[{number}]", depth + 1)
        case _:
            raise refuse(path, f"{type(value).__name__} is no type of JSON")


def check_rows(rows: Sequence[Row], namespace: str) -> None:
    """Refuses rows that cannot be stored together."""
    check_namespace(namespace)
    check_number(len(rows), "rows", least=0, most=MAX_IDS)
    for row in rows:
        check_entry(row.entry, namespace)
    ids = {row.entry.id for row in rows}
    if len(ids) != len(rows):
        raise refuse("rows", "an id is in it twice")


async def checked(rows: Sequence[Row], namespace: str) -> None:
    """Refuses what `check_rows` does; where that takes long, the event loop goes on meanwhile."""
    if _are_many(rows):
        await asyncio.to_thread(check_rows, rows, namespace)
    else:
        check_rows(rows, namespace)


def _are_many(rows: Sequence[Row]) -> bool:
    if len(rows) > _FEW:
        return True
    try:
        return sum(len(msgspec.json.encode(row.entry.metadata)) for row in rows) > _SMALL
    except (TypeError, ValueError, RecursionError):
        # It has something to be refused.
        return True


def check_vector(vector: Vector, generation: Generation) -> None:
    """Refuses a vector that is of another embedder, or has no direction."""
    path = "vector"
    if len(vector) != generation.dims:
        raise refuse(
            path,
            f"it has {len(vector)} numbers, those of {generation.name} have {generation.dims}",
            "use the namespace's embedder",
        )
    # One number that is none, or too large, makes the sum so.
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise refuse(path, "a number of it is not finite, or too large")
    if length < 1e-12:
        raise refuse(path, "all of its numbers are 0")


def check_wanted(wanted: Wanted) -> None:
    """Refuses bounds of a search that cannot be."""
    check_namespace(wanted.namespace)
    check_number(wanted.limit, "limit", least=1, most=MAX_LEG)


def cut(lexemes: Iterable[str]) -> Lexemes:
    """Returns lexemes as they are stored: of bounded length, without what cannot be stored."""
    return [_UNSTORABLE.sub("", each[:MAX_LEXEME]) for each in lexemes]
