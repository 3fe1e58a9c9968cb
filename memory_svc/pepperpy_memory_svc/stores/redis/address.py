"""Where a store is in Redis: the server's address, and what of it is ours."""

import re
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from pepperpy_memory_svc.stores.addresses import malformed
from pepperpy_schemas.errors import BadConfig

Index: TypeAlias = Literal["flat", "hnsw"]

PREFIX: Final = "pepperpy:"

HINT: Final = "give redis://USER:PASSWORD@HOST:PORT/0, or rediss:// for TLS"
_DATABASE: Final = re.compile(r"/?|/\d+")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NESTED: Final = re.compile(
    r".entry:|.(ids|order|history|session|vector|near|words|postings|corpus|unfilled):\d"
)
"""Where the keys of a store with a shorter prefix go on: see ``scripts/keys.lua``."""
_INDEXES: Final[tuple[Index, ...]] = ("flat", "hnsw")


class Address(msgspec.Struct, frozen=True):
    """A store's place in a server.

    Attributes:
        url: The server's, as its client library takes it.
        prefix: Begins the name of every key; stores with other prefixes share the server.
        index: How vectors are found: ``flat`` compares all of a namespace and is exact, ``hnsw``
            walks a graph: faster among many, slower to write, not always right.
    """

    url: str
    prefix: str = PREFIX
    index: Index = "flat"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads ``redis://user:password@host:port/0?prefix=…&index=…``; ``rediss://`` is TLS.

        Other parameters are left to the client library.

        Raises:
            BadConfig: It is malformed, or a parameter of ours cannot be.
        """
        try:
            parts = urlsplit(text)
            _ = parts.port  # is read only when somebody asks for it
        except ValueError:
            raise malformed("Redis", HINT) from None
        if "://" not in text or not _DATABASE.fullmatch(parts.path):
            raise malformed("Redis", HINT)
        given = parse_qsl(parts.query, keep_blank_values=True)
        ours = {name: value for name, value in given if name in ("prefix", "index")}
        rest = urlencode([each for each in given if each[0] not in ours])
        url = urlunsplit(parts._replace(query=rest))
        return cls(url, _prefix(ours.get("prefix", PREFIX)), _index(ours.get("index", "flat")))


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise BadConfig(
            f"{text[:80]!r} is no prefix of keys in Redis",
            hint="use 1 to 64 of A-Z a-z 0-9 _ . : -",
        )
    if _NESTED.search(text):
        raise BadConfig(
            f"keys that begin with {text!r} could be those of another store",
            hint="use a prefix that does not go on as the memory's own keys do",
        )
    return text


def _index(text: str) -> Index:
    for each in _INDEXES:
        if each == text:
            return each
    raise BadConfig(f"{text[:80]!r} is no index of vectors in Redis", hint="use flat or hnsw")
