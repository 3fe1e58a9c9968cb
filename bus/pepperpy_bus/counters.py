"""Exact sums over all processes, which the server itself keeps (NATS ADR-49).

A message says how much is added; the server stores it with the new sum. Each has an id: the same
one sent again is not counted again.
"""

from typing import Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.streams.jetstream import API, STORE_TIMEOUT, store
from pepperpy_bus.streams.reading import all_on, last_as_stored
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.events import COUNT
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import key_token

MAX_COUNTERS: Final = 1024
"""Counters of one metric that the server reads at once; more are read message by message."""

_MSG_ID: Final = h.MSG_ID.lower()
_LABEL: Final = h.LABEL.lower()
_SUBJECT: Final = h.SUBJECT.lower()


class CounterValue(msgspec.Struct, frozen=True):
    """A counter as it was read.

    Attributes:
        metric: What is counted.
        label: Of whom or what.
        value: The sum.
    """

    metric: str
    label: str
    value: int


class Counters:
    """The counters of a deployment.

    Args:
        connection: The connection.
        prefix: The deployment's.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._stream = stream_name(prefix, COUNT.stream)

    async def add(
        self, metric: str, label: str, n: int, *, msg_id: str, timeout: float = STORE_TIMEOUT
    ) -> None:
        """Adds to a counter; one that is not there begins with 0.

        Args:
            metric: What is counted, a token.
            label: Of whom or what, any text of 256 printable characters.
            n: How much; less than 0 takes away.
            msg_id: Id of this addition, the same at every try. It counts once within two minutes,
                and later while `has` is asked first.
            timeout: Seconds to keep trying through disconnects and elections.

        Raises:
            BadName: The metric or the label cannot travel.
            Unreachable: The broker did not come back in time.
            Unavailable: There is no such stream, or it did not answer in time.
        """
        headers = {h.INCREMENT: f"{n:+d}", h.LABEL: label}
        subject = self._subject(metric, label)
        await store(self._connection, subject, b"", msg_id=msg_id, headers=headers, timeout=timeout)

    async def has(self, metric: str, label: str, msg_id: str) -> bool:
        """Whether an addition is among the last 256 of its counter.

        After a failed `add` it tells whether only the acknowledgement was lost.
        """
        kept = await all_on(self._connection, self._stream, self._subject(metric, label))
        return any(one.headers.get(_MSG_ID) == msg_id for one in kept)

    async def read(self, metric: str, label: str) -> int:
        """Returns the sum of a counter, 0 when nothing was ever added."""
        subject = self._subject(metric, label)
        stored = await last_as_stored(self._connection, self._stream, subject)
        return 0 if stored is None else _value(stored.body)

    async def all(self, metric: str) -> list[CounterValue]:
        """Returns every counter of a metric."""
        subject = COUNT.pattern(self._prefix, metric=metric)
        found = await self._connection.over_breaks(lambda: self._last_of_each(subject))
        if found is None:
            every = await all_on(self._connection, self._stream, subject, limit=10_000_000)
            newest = {one.subject: one for one in every}
            found = [
                _counter(metric, one.headers, one.subject, one.body) for one in newest.values()
            ]
        return found

    async def _last_of_each(self, subject: str) -> list[CounterValue] | None:
        """The last message of each subject; None when they are too many for one request."""
        query = encode({"multi_last": [subject], "batch": MAX_COUNTERS})
        metric = subject.rsplit(".", 2)[1]
        found: list[CounterValue] = []
        asking = self._connection.request_many(f"{API}.DIRECT.GET.{self._stream}", query)
        async with asking as replies:
            while True:
                message: Message = await replies.next(self._connection.options.request_timeout)
                if (name := message.headers.get(_SUBJECT)) is not None:
                    found.append(_counter(metric, message.headers, name, message.body))
                elif message.status == "413":
                    return None
                elif message.status in ("204", "404"):
                    return found
                else:
                    raise Unavailable(f"cannot read the counters of {metric}: {message.status}")

    def _subject(self, metric: str, label: str) -> str:
        return COUNT.of(self._prefix, metric=metric, label=key_token(label))


def _counter(metric: str, headers: h.Folded, subject: str, body: bytes) -> CounterValue:
    label = headers.get(_LABEL) or subject.rpartition(".")[2]
    return CounterValue(metric, label, _value(body))


def _value(body: bytes) -> int:
    return int(COUNT.decode(body).val)
