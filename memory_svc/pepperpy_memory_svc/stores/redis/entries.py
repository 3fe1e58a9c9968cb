"""Entries as hashes, and back."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np

from pepperpy_memory_svc.stores.exact import unit
from pepperpy_memory_svc.stores.redis.facts import facts_of
from pepperpy_memory_svc.stores.rows import Brief, Earlier, Lexemes, Row, Vector
from pepperpy_memory_svc.stores.values import cut
from pepperpy_memory_svc.stores.writing import brought
from pepperpy_schemas.memory import Entry

HALF: Final = np.dtype("<f2")
"""How a number of a vector is stored."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_encode: Final = msgspec.json.encode
_decoder: Final = msgspec.json.Decoder(Entry)


class Held(msgspec.Struct, frozen=True, array_like=True):
    """An entry as the scripts answer it; numbers are texts.

    Attributes:
        nr: Its number in the store.
        version: Its version.
        seq: Its place in the conversation.
        created: When it was put first, in microseconds since 1970.
        expires: When it expires; empty for never.
        body: Its JSON; what stands above holds, not what is in it.
    """

    nr: str
    version: str
    seq: str
    created: str
    expires: str
    body: str

    def entry(self) -> Entry:
        """Returns the entry."""
        return msgspec.structs.replace(
            _decoder.decode(self.body),
            version=int(self.version),
            seq=int(self.seq),
            created=instant_of(self.created),
            expires=instant_of(self.expires) if self.expires else None,
        )


class HeldBrief(msgspec.Struct, frozen=True, array_like=True):
    """As much of an entry as the order of hits depends on, as the scripts answer it."""

    nr: str
    brief: str
    seq: str
    expires: str

    def alive(self, now: int) -> bool:
        """Says whether it is not expired, at a time in microseconds since 1970."""
        return not self.expires or int(self.expires) > now

    def known(self) -> Brief:
        """Returns what is known of the entry."""
        entry = _decoder.decode(self.brief)
        return Brief(
            id=entry.id,
            session=entry.session,
            seq=int(self.seq),
            links=[link.to for link in entry.links],
            importance=entry.importance,
            at=entry.at.timestamp(),
            lang=entry.lang,
        )


class Past(msgspec.Struct, frozen=True, array_like=True):
    """An earlier version of an entry, as the scripts answer it."""

    until: str
    version: str
    seq: str
    created: str
    expires: str
    body: str

    def earlier(self) -> Earlier:
        """Returns the version."""
        held = Held("", self.version, self.seq, self.created, self.expires, self.body)
        return Earlier(held.entry(), instant_of(self.until))


def micros(time: datetime) -> int:
    """Returns a time in microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def instant_of(text: str) -> datetime:
    """Returns the time of its microseconds since 1970."""
    return _EPOCH + int(text) * _MICROSECOND


class Beside(list[bytes]):
    """Bytes that stand beside what the scripts are asked, by their place from 1."""

    def put(self, vector: Vector | None) -> int:
        """Takes a vector; returns its place, or 0 for none."""
        if vector is None:
            return 0
        self.append(half(vector))
        return len(self)


def asked_row(row: Row, beside: Beside) -> dict[str, Any]:
    """Returns a row as the scripts take it, its vectors beside."""
    entry = row.entry
    asked: dict[str, Any] = {
        "id": entry.id,
        "session": entry.session,
        "seq": str(entry.seq),
        "brought": str(brought(entry)),
        "created": str(micros(entry.created)),
        "updated": str(micros(entry.updated)),
        "digest": _digest(entry.text),
        "fields": _fields(entry),
    }
    if row.expected is not None:
        asked["expected"] = str(row.expected)
    if row.vectors is not None:
        asked["vectors"] = {str(gen): beside.put(each) for gen, each in row.vectors.items()}
    if row.lexemes is not None:
        asked["lexemes"] = {str(gen): counted(each) for gen, each in row.lexemes.items()}
    return asked


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _fields(entry: Entry) -> list[str]:
    fields: Mapping[str, str] = {
        "id": entry.id,
        "body": _encode(entry).decode(),
        "brief": _encode(_brief(entry)).decode(),
        "digest": _digest(entry.text),
        "facts": facts_of(entry),
        "chars": str(len(entry.text)),
        "session": entry.session,
        "scope": entry.scope,
        "term": entry.term,
        "lang": entry.lang,
        "importance": repr(entry.importance),
        "at": str(micros(entry.at)),
        "updated": str(micros(entry.updated)),
        **({} if entry.expires is None else {"expires": str(micros(entry.expires))}),
        **({} if entry.ttl is None else {"ttl": repr(entry.ttl)}),
    }
    return [part for each in fields.items() for part in each]


def _brief(entry: Entry) -> Entry:
    """Returns an entry without what can be large."""
    return msgspec.structs.replace(entry, text="", metadata={}, source="")


def half(vector: Vector) -> bytes:
    """Returns a vector as it is stored: at unit length, in half precision."""
    return unit(vector).astype(HALF).tobytes()


def vector_of(stored: bytes) -> Vector:
    """Returns a stored vector."""
    return [float(each) for each in np.frombuffer(stored, HALF)]


def counted(lexemes: Lexemes) -> dict[str, Any]:
    """Returns lexemes as the scripts take them."""
    return {"length": len(lexemes), "lexemes": dict(Counter(cut(lexemes)))}
