"""A message as it arrives: subject, body, headers by lower-case name, reply subject."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from pepperpy_schemas.headers import SERVER_STATUS, fold

_STATUS = SERVER_STATUS.lower()


class Message(msgspec.Struct, frozen=True):
    """A received message.

    Attributes:
        subject: Where it was published.
        body: Its payload.
        headers: Its headers; names are lower case whatever the sender wrote.
        reply: Where an answer goes, or empty.
    """

    subject: str
    body: bytes
    headers: Mapping[str, str]
    reply: str = ""

    @property
    def status(self) -> str:
        """The server's status code (``404``, ``408``, …) when this is a control message."""
        return self.headers.get(_STATUS, "") if self.headers and not self.body else ""


class _Raw(Protocol):
    """What the client library gives: only what is read here."""

    subject: str
    reply: str
    data: bytes
    headers: dict[str, str] | None


NO_HEADERS: Mapping[str, str] = {}


def from_library(raw: _Raw) -> Message:
    """Returns the library's message as ours."""
    headers = fold(raw.headers) if raw.headers else NO_HEADERS
    return Message(raw.subject, raw.data, headers, raw.reply)
