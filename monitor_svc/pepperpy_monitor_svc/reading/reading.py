"""All that is read from the broker, side by side."""

import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_monitor_svc.loops import Work
from pepperpy_monitor_svc.reading.broker import BrokerReader, Complete
from pepperpy_monitor_svc.reading.facts import Facts
from pepperpy_monitor_svc.reading.presence import take_presence
from pepperpy_monitor_svc.reading.stream import StreamReader
from pepperpy_monitor_svc.reading.submissions import take_note
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.monitor_requests import Position
from pepperpy_schemas.subjects import bucket_name, stream_name


class _Letter(msgspec.Struct, frozen=True):
    task_id: str


class Reading:
    """The readers of everything, and how far they are.

    Args:
        client: The monitor's client.
        facts: Who takes what is read.
        read: How far any monitor has read the streams before, by name.
        complete: Adds what is known of the server itself to the broker's figures.
        clock: The server's time, seconds since the epoch.
    """

    def __init__(
        self,
        client: Client,
        facts: Facts,
        *,
        read: Mapping[str, Position],
        complete: Complete | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        connection, prefix = client.connection, client.prefix
        self._facts = facts
        # Dead letters are taken out when they are replayed, results that are none when they are
        # found: only where nothing is ever taken out does a missing number tell of a loss.
        self._streams = [
            StreamReader(connection, name, take, on_gap=facts.gap, read=read.get(name), holes=holes)
            for name, take, holes in (
                (stream_name(prefix, "EVENTS"), self._event, True),
                (stream_name(prefix, "RESULTS"), self._result, False),
                (stream_name(prefix, "NOTED"), partial(take_note, facts), True),
                (stream_name(prefix, "DLQ"), self._letter, False),
                (f"KV_{bucket_name(prefix, 'registry')}", partial(take_presence, facts), False),
            )
        ]
        self._broker = BrokerReader(connection, prefix, facts.broker, complete, clock=clock)

    def works(self) -> dict[str, Work]:
        """Returns what is to be done for as long as the monitor runs, by name."""
        return {
            **{f"read-{one.stream}": one.run for one in self._streams},
            "look-broker": self._broker.run,
        }

    async def complete(self) -> None:
        """Returns when all has been read that was stored before the start."""
        for one in self._streams:
            await one.complete.wait()

    @property
    def is_complete(self) -> bool:
        """Whether all has been read that was stored before the start."""
        return all(one.complete.is_set() for one in self._streams)

    @property
    def behind(self) -> dict[str, int]:
        """Messages that wait to be read, by stream."""
        return {one.stream: one.behind for one in self._streams}

    @property
    def failures(self) -> int:
        """Messages that nobody foresaw, and that were passed over."""
        return sum(one.failures for one in self._streams)

    @property
    def positions(self) -> dict[str, Position]:
        """How far each stream was read, to be known by the next monitor."""
        # The registry is kept in memory alone, and what was there once does not matter.
        lasting = (one for one in self._streams if not one.stream.startswith("KV_"))
        return {one.stream: one.position for one in lasting if one.position is not None}

    def _event(self, delivery: Delivery, at: float) -> None:
        message = delivery.message
        self._facts.event(message.subject, message.body, delivery.seq, at)

    def _result(self, delivery: Delivery, at: float) -> None:
        message = delivery.message
        task_id = message.subject.rpartition(".")[2]
        self._facts.result(task_id, message.body, delivery.seq, at, message.headers)

    def _letter(self, delivery: Delivery, at: float) -> None:
        topic = delivery.subject.rpartition(".")[2]
        try:
            task_id = decode(delivery.body, _Letter).task_id
        except BadPayload:
            task_id = ""  # whoever takes it finds that out, too, and counts it
        self._facts.letter(topic, task_id, delivery.body, delivery.seq, at)
