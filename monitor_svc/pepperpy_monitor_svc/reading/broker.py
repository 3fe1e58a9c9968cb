"""The broker's own figures: its streams, their consumers, and for how long messages wait there."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.behind import Behind, age
from pepperpy_bus.streams.figures import account
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.queues import merged
from pepperpy_bus.trust.grants import BUCKETS, COMMANDS, LOGS, WORK_QUEUES
from pepperpy_bus.units import parse_time
from pepperpy_schemas.errors import NotFound, PepperError
from pepperpy_schemas.monitor import BrokerFigures, ConsumerRow, StreamRow, TopicFigures
from pepperpy_schemas.subjects import bucket_name, stream_name

log = get_log("pepperpy.monitor")

EVERY: Final = 5.0
"""Seconds between two looks."""

Complete = Callable[[BrokerFigures], Awaitable[BrokerFigures]]
"""Adds what is known of the server itself."""


class BrokerReader:
    """Looks at the broker while `run` runs.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        take: Called with the figures of each look, and when it was, by the clock.
        complete: Adds what is known of the server itself; nothing by default.
        clock: The server's time, seconds since the epoch.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        take: Callable[[BrokerFigures, float], None],
        complete: Complete | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._take = take
        self._complete = complete
        self._behind = Behind(connection, prefix)
        self._streams = [
            *(stream_name(prefix, each) for each in (*WORK_QUEUES, *LOGS, *COMMANDS)),
            *(f"KV_{bucket_name(prefix, each)}" for each in BUCKETS),
            f"OBJ_{bucket_name(prefix, 'blobs')}",
        ]
        self._before: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Looks until it is cancelled; that the broker is away is told, too."""
        while True:
            try:
                figures = await self.look()
            except PepperError as error:
                log.debug("monitor.no_figures", error=str(error))
                # One that does not answer now has not said that nothing waits.
                answers = self._connection.connected and not error.retryable
                figures = BrokerFigures(connected=answers)
            if self._complete is not None:
                figures = await self._complete(figures)
            self._take(figures, self._clock())
            await asyncio.sleep(EVERY)

    async def look(self) -> BrokerFigures:
        """Returns the figures of this moment.

        Raises:
            PepperError: The broker does not answer.
        """
        began = time.monotonic()
        held = await account(self._connection)
        rtt = time.monotonic() - began
        streams: list[StreamRow] = []
        queues: list[TopicFigures] = []
        for name in self._streams:
            try:
                info = await api(self._connection, f"STREAM.INFO.{name}")
                rows = await self._consumers(name, info)
            except NotFound:
                continue
            streams.append(self._row(info, rows))
            if name in self._behind.queues:
                queues += await self._behind.topics(info, rows)
        return BrokerFigures(
            connected=True,
            version=self._connection.server_version,
            storage_bytes=held.storage.used,
            storage_limit=held.storage.limit if held.storage.limit >= 0 else None,
            rtt_ms=round(rtt * 1e3, 3),
            streams=streams,
            topics=merged(queues, await self._behind.letters()),
        )

    def _row(self, info: dict[str, Any], consumers: list[ConsumerRow]) -> StreamRow:
        config, state, name = info["config"], info["state"], info["config"]["name"]
        last, now = state["last_seq"], parse_time(info["ts"])
        before, then = self._before.get(name, (last, 0.0))
        moment = time.monotonic()
        self._before[name] = (last, moment)
        replicas = (info.get("cluster") or {}).get("replicas")
        return StreamRow(
            name=name,
            messages=state["messages"],
            bytes=state["bytes"],
            max_messages=_limit(config.get("max_msgs", -1)),
            max_bytes=_limit(config.get("max_bytes", -1)),
            first_seq=state["first_seq"],
            last_seq=last,
            oldest_s=age(now, state["first_ts"]) if state["messages"] else None,
            rate=round(max(0, last - before) / (moment - then), 3) if then else 0.0,
            consumers=consumers,
            replicas=None if replicas is None else sum(bool(one["current"]) for one in replicas),
        )

    async def _consumers(self, stream: str, info: dict[str, Any]) -> list[ConsumerRow]:
        """Its consumers; buckets have none, and only the operator may list theirs."""
        if not info["state"]["consumer_count"] or stream.startswith(("KV_", "OBJ_")):
            return []
        return await self._behind.consumers(info)


def _limit(value: int) -> int | None:
    return value if value >= 0 else None
