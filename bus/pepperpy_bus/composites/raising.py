"""The event that a match raises: the same match, found again anywhere, raises it no second time."""

import base64
import hashlib

from pepperpy_bus.composites.composite import Composite
from pepperpy_bus.composites.matcher import Match
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.clock import to_datetime
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.units import format_time
from pepperpy_schemas.catalog.events import EVENT
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import WrongSequence
from pepperpy_schemas.messages import Event


async def raise_event(
    connection: Connection, prefix: str, composite: Composite, scope: str, match: Match
) -> bool:
    """Raises the event of a match; returns whether nobody had raised it before.

    Its id follows from its parts, and the server takes one event of a subject with that id, for as
    long as it keeps events. So it is raised once by however many find it, and however often.
    """
    event_id = match_id(composite, scope, match)
    subject = EVENT.of(
        prefix, entity=composite.entity, verb=composite.verb, scope=scope, id=event_id
    )
    first, last = match.events[0], match.events[-1]
    event = Event(
        id=event_id,
        ts=to_datetime(match.ended),
        correlation=first.correlation or first.id,
        causation=last.id,
        data={
            "parts": [one.id for one in match.events],
            "by": decode(first.key.encode(), object),
            "began": format_time(to_datetime(first.time)),
            "ended": format_time(to_datetime(match.ended)),
        },
    )
    try:
        ack = await store(connection, subject, EVENT.encode(event), msg_id=event_id, expect_last=0)
    except WrongSequence:
        return False
    return not ack.duplicate


def match_id(composite: Composite, scope: str, match: Match) -> str:
    """Returns the id of a match: a token that follows from its events."""
    parts = [(one.time, one.id) for one in match.events]
    digest = hashlib.sha256(encode([composite.name, scope, parts])).digest()
    return base64.urlsafe_b64encode(digest[:18]).decode()
