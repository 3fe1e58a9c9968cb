"""A message as it arrives: subject, body, headers by lower-case name, reply subject."""

from collections.abc import Mapping

import msgspec

from pepperpy_schemas.headers import SERVER_STATUS

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


NO_HEADERS: Mapping[str, str] = {}
