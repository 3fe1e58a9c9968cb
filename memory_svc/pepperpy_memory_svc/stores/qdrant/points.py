"""Entries as points of Qdrant, and back.

The fields of an entry's point: ``ns`` and ``id``; ``body``, the entry as JSON; ``rev``, another
number with every write; ``made``, the ``rev`` that its version was put with, and ``born``, the one
of its first version; ``order``, the first characters
of its id as a number; ``is``, see `tokens`; ``num``, numbers of its metadata; ``has``, the
generations that have something for it; for each of an analyser ``w``, ``x`` and ``l`` with the
generation's number, see `words`; and its own fields that conditions and figures ask for.

An earlier version is a point without ``ns``, so that no operation but the history finds it.
"""

import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from pepperpy_memory_svc.stores.qdrant.engine import Fields, Index, Point
from pepperpy_memory_svc.stores.qdrant.filters import Filter, Has, Lacks, Within, every, some
from pepperpy_memory_svc.stores.qdrant.tokens import numbers, tokens
from pepperpy_memory_svc.stores.rows import Earlier
from pepperpy_memory_svc.stores.store import KEPT_VERSIONS
from pepperpy_memory_svc.stores.values import check_namespace
from pepperpy_schemas.memory import Entry

INDEXES: Final[dict[str, Index]] = {
    "ns": "tenant",
    "is": "keyword",
    "scope": "keyword",
    "session": "keyword",
    "agent": "keyword",
    "term": "keyword",
    "lang": "keyword",
    "by": "keyword",
    "order": "numbers",
    "seq": "numbers",
    "at": "numbers",
    "expires": "numbers",
    "importance": "numbers",
    "has": "values",
    "size": "values",
}
SHOWN: Final = ("body", "expires")
"""Fields that an entry is made of again."""
WRITTEN: Final = (*SHOWN, "ns", "id", "rev", "made", "born")
"""Fields that a change asks for."""

_SPACE: Final = uuid.UUID("5f0d3f0e-8d2c-4c7e-9b5a-6f7a2c1b0e4d")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALPHABET: Final = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_LEADING: Final = 8
"""Characters of an id that order it: so many that the number is exact in double precision."""
_TEXTS: Final = ("scope", "session", "agent", "term", "lang", "by")
_NUMBERS: Final = ("seq", "importance", "version", "ttl")
_TIMES: Final = ("at", "created", "updated", "expires")

_encode: Final = msgspec.json.encode
_decode: Final = msgspec.json.Decoder(Entry).decode


def point_id(namespace: str, id: str) -> str:  # noqa: A002 - as in Entry
    """Returns the id of an entry's point."""
    return str(uuid.uuid5(_SPACE, f"{namespace}\0{id}"))


def past_ids(point: Point, version: int) -> list[str]:
    """Returns the ids of the points of an entry's earlier versions, the latest first."""
    first = max(1, version - KEPT_VERSIONS)
    return [_past_id(point, each) for each in range(version - 1, first - 1, -1)]


def outdated_id(point: Point, version: int) -> str | None:
    """Returns the id of the version that is one too many, if there is one."""
    oldest = version - KEPT_VERSIONS - 1
    return _past_id(point, oldest) if oldest > 0 else None


def _past_id(point: Point, version: int) -> str:
    return str(uuid.uuid5(_SPACE, f"{point.id}\0{point.fields['born']}\0{version}"))


def place_in_history(point: Point) -> str:
    """Returns the id that the point of this version has once it is replaced."""
    return _past_id(point, point.fields["version"])


def new_rev() -> int:
    """Returns a number that no other write has."""
    return secrets.randbits(62)


def micros(time: datetime) -> int:
    """Returns a time in microseconds since 1970."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def order_of(id: str) -> int:  # noqa: A002 - as in Entry
    """Returns a number that is not greater than that of any id which comes after this one."""
    number = 0
    for place in range(_LEADING):
        sign = _ALPHABET.index(id[place]) + 1 if place < len(id) else 0
        number = number * (len(_ALPHABET) + 1) + sign
    return number


def of(namespace: str) -> Filter:
    """Returns a filter that holds for the entries of a namespace, expired or not."""
    check_namespace(namespace)
    return Has("ns", [namespace])


def living(now: datetime) -> Filter:
    """Returns a filter that holds for all that is not expired.

    A microsecond is exact in it for two centuries; who reads the entry looks again.
    """
    return some([Lacks("expires"), Within(key="expires", gt=float(micros(now)))])


def here(namespace: str, now: datetime) -> Filter:
    """Returns a filter that holds for the entries of a namespace that are not expired."""
    return every([of(namespace), living(now)])


def fields_of(entry: Entry, born: int | None) -> Fields:
    """Returns the fields of an entry's point, without those that its generations have."""
    rev = new_rev()
    fields: Fields = {
        "ns": entry.namespace,
        "id": entry.id,
        "body": _encode(msgspec.structs.replace(entry, expires=None)).decode(),
        "rev": rev,
        "made": rev,
        "born": rev if born is None else born,
        "order": order_of(entry.id),
        "is": tokens(entry),
        "num": numbers(entry),
        "size": len(entry.text),
    }
    for name in (*_TEXTS, *_NUMBERS):
        fields[name] = getattr(entry, name)
    for name in _TIMES:
        time = getattr(entry, name)
        fields[name] = None if time is None else micros(time)
    return {key: value for key, value in fields.items() if value is not None}


def entry_of(point: Point) -> Entry:
    """Returns the entry of a point with the fields `SHOWN`."""
    return msgspec.structs.replace(
        _decode(point.fields["body"]), expires=_time(point.fields.get("expires"))
    )


def _time(value: Any) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def past_of(point: Point, entry: Entry, until: datetime) -> Point:
    """Returns the point of a version that is replaced."""
    past, made = _encode(entry).decode(), point.fields["made"]
    fields: Fields = {"past": past, "until": micros(until), "made": made}
    return Point(_past_id(point, entry.version), fields)


def earlier_of(point: Point) -> Earlier:
    """Returns the version of a point that `past_of` made."""
    until = _time(point.fields["until"])
    assert until is not None, "a version was replaced at some time"
    return Earlier(_decode(point.fields["past"]), until)
