"""Finding services: each replica that is up says what it is (NATS micro, ADR-32)."""

from typing import Any, Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_schemas.catalog.server import MICRO
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadPayload, Unavailable
from pepperpy_schemas.tokens import check_token

PATIENCE: Final = 2.0
"""Seconds until the first answer."""
QUIET: Final = 0.5
"""Seconds without another answer after which all have said what they are."""
_MOST: Final = 1000
_DIGITS: Final = 18
"""Of a number in a version: anybody may tell any, and Python reads none with thousands."""


class FoundEndpoint(msgspec.Struct, frozen=True):
    """An operation, as its service tells of it.

    Attributes:
        name: Its name.
        subject: Where it is asked; ``*`` stands for the caller.
        metadata: What else is told of it.
    """

    name: str
    subject: str = ""
    metadata: dict[str, str] | None = None


class FoundService(msgspec.Struct, frozen=True):
    """A replica of a service, as it tells of itself.

    Attributes:
        name: The service's name.
        id: The replica's id.
        version: Its version.
        description: What it is.
        endpoints: What it can be asked.
    """

    name: str
    id: str
    version: str = ""
    description: str = ""
    endpoints: list[FoundEndpoint] = []


async def find_services(connection: Connection, name: str) -> list[FoundService]:
    """Returns the replicas of a service that are up, by version and id, the newest first.

    Args:
        connection: The connection.
        name: The service's name.

    Raises:
        PermissionDenied: The broker does not allow this principal to look.
    """
    subject = f"{MICRO}.INFO.{check_token(name, what='service')}"
    found: dict[str, FoundService] = {}
    wait = PATIENCE
    async with connection.request_many(subject) as replies:
        while len(found) < _MOST:
            try:
                message = await replies.next(wait)
                one = decode(message.body, FoundService)
            except Unavailable:
                break
            except BadPayload:
                continue
            found[one.id] = one
            wait = QUIET
    return sorted(found.values(), key=_newest, reverse=True)


def _newest(service: FoundService) -> tuple[Any, ...]:
    numbers = [
        int(part[:_DIGITS]) for part in service.version.split("-")[0].split(".") if part.isdecimal()
    ]
    return numbers, service.id
