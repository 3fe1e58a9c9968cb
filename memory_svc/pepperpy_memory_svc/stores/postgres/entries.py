"""Entries as rows of the tables, and back."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC
from typing import Any, Final

import msgspec
import numpy as np
from pgvector import HalfVector

from pepperpy_memory_svc.stores.exact import unit
from pepperpy_memory_svc.stores.postgres.connection import Record
from pepperpy_memory_svc.stores.rows import Lexemes, Vector
from pepperpy_memory_svc.stores.values import cut
from pepperpy_schemas.memory import Entry

ENTRY_COLUMNS: Final = (
    *("nr", "ns", "id", "version", "text", "scope", "session", "seq", "agent", "term", "lang"),
    *("importance", "links", "source", "trusted", "by", "at", "created", "updated", "expires"),
    *("ttl", "metadata", "body"),
)
REPLACE: Final = "UPDATE entry SET {} WHERE nr = $1 AND ns = $2 AND id = $3".format(  # noqa: S608 - our own columns
    ", ".join(f'"{name}" = ${place}' for place, name in enumerate(ENTRY_COLUMNS[3:], 4))
)
"""Puts a row of `ENTRY_COLUMNS` in the place of the one with its number."""
VECTOR_COLUMNS: Final = ("nr", "emb")
DOC_COLUMNS: Final = ("nr", "ns", "len", "lexemes")
POSTING_COLUMNS: Final = ("ns", "lexeme", "nr", "tf", "len")
HISTORY_COLUMNS: Final = ("nr", "version", "until", "body")

_encode: Final = msgspec.json.encode
_decoder: Final = msgspec.json.Decoder(Entry)


def entry_record(nr: int, ns: int, entry: Entry) -> tuple[Any, ...]:
    """Returns an entry as a row of `ENTRY_COLUMNS`."""
    body = msgspec.structs.replace(entry, text="", expires=None)
    own = (nr, ns, *(getattr(entry, name) for name in ENTRY_COLUMNS[2:12]))
    links = [link.to for link in entry.links]
    rest = (getattr(entry, name) for name in ENTRY_COLUMNS[13:21])
    metadata = _encode(entry.metadata).decode()
    return (*own, links, *rest, metadata, _encode(body).decode())


def entry_of(record: Record) -> Entry:
    """Returns the entry of a row with the columns `queries.ENTRY`."""
    expires = record["expires"]
    return msgspec.structs.replace(
        _decoder.decode(record["body"]),
        text=record["text"],
        expires=None if expires is None else expires.astimezone(UTC),
    )


def whole(entry: Entry) -> str:
    """Returns an entry as JSON."""
    return _encode(entry).decode()


def whole_of(text: str) -> Entry:
    """Returns the entry of its JSON."""
    return _decoder.decode(text)


def half_vector(vector: Vector) -> HalfVector:
    """Returns a vector as it is stored: at unit length, in half precision."""
    return HalfVector(unit(vector))


def vector_of(half: HalfVector) -> Vector:
    """Returns a stored vector."""
    return [float(each) for each in half.to_numpy().astype(np.float32)]


class Words:
    """What a generation stores of the lexemes of some entries.

    Attributes:
        docs: Rows of `DOC_COLUMNS`.
        postings: Rows of `POSTING_COLUMNS`, in the order of the index.
        length: Lexemes of all of them.
    """

    def __init__(self, ns: int, lexemes: Iterable[tuple[int, Lexemes]]) -> None:
        self.docs: list[tuple[Any, ...]] = []
        self.postings: list[tuple[Any, ...]] = []
        self.length = 0
        for nr, words in lexemes:
            counted = Counter(cut(words))
            self.docs.append((nr, ns, len(words), list(counted)))
            self.length += len(words)
            for lexeme, number in counted.items():
                self.postings.append((ns, lexeme, nr, number, len(words)))
        self.postings.sort()
