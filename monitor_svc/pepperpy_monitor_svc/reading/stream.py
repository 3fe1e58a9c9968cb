"""One stream, read from its beginning and then for ever, whatever happens to the broker."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.follow import Follower, follow
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.units import now
from pepperpy_monitor_svc.reading.continuity import (
    Continuity,
    Hole,
    Reason,
    StreamState,
    gap,
    stream_state,
)
from pepperpy_schemas.errors import NotFound, PepperError, PermissionDenied
from pepperpy_schemas.monitor import Gap
from pepperpy_schemas.monitor_requests import Position

log = get_log("pepperpy.monitor")

HORIZON: Final = 1_000_000
"""Messages of one stream that are read at a start at most, the newest; a fleet keeps no more."""
HORIZON_BYTES: Final = 256 << 20
"""The same in bytes, by their mean size: results may be large."""
SILENCE: Final = 2.0
"""Seconds without a message that is said to be there, after which the server is asked for it."""
AGAIN: Final = 1.0
"""Seconds after which reading begins anew where it failed."""

_NANOSECOND: Final = 1e-9

Take = Callable[[Delivery, float], None]
"""Takes a message, and when it was stored in seconds since the epoch."""


class StreamReader:
    """Reads one stream while `run` runs.

    Attributes:
        stream: The stream.
        complete: Set when all that was stored before the start has been read.
        failures: Messages that the taker failed at.
        behind: Messages that wait to be read.
        position: How far it is; None before the first message.

    Args:
        connection: The connection.
        stream: The stream.
        take: Called with each message; what it raises is counted, and reading goes on.
        on_gap: Called with what was never seen.
        read: How far any monitor has read it before.
        holes: Whether numbers are missing in its middle only when something is wrong. Where
            messages are taken out one by one, as dead letters are, only its beginning tells.
    """

    def __init__(
        self,
        connection: Connection,
        stream: str,
        take: Take,
        *,
        on_gap: Callable[[Gap], None],
        read: Position | None = None,
        holes: bool = True,
    ) -> None:
        self.stream = stream
        self.complete = asyncio.Event()
        self.failures = 0
        self.behind = 0
        self.position: Position | None = None
        self._connection = connection
        self._take = take
        self._on_gap = on_gap
        self._read = read
        self._holes = holes
        self._continuity = Continuity(0)
        self._missed: list[tuple[Hole, Reason | None]] = []

    async def run(self) -> None:
        """Reads until it is cancelled; a broker that is away, or a stream, is waited for."""
        while True:
            try:
                await self._read_on()
            except PepperError as error:
                if self._connection.closed:
                    raise
                log.warning("monitor.cannot_read", stream=self.stream, error=str(error))
                if isinstance(error, NotFound | PermissionDenied):
                    self.complete.set()  # there is nothing to read, or never will be for us
            await asyncio.sleep(AGAIN)

    async def _read_on(self) -> None:
        state = await self._state()
        begin = self._begin(state)
        self._tell_missed(state)
        async with follow(self._connection, self.stream, [">"], from_seq=begin) as follower:
            self._note_end(follower.pending)
            while True:
                taken = await self._batch(follower)
                self._take_all(taken)
                self.position = Position(taken[-1].seq, state.created)
                self._note_end(taken[-1].pending)
                if self._missed:
                    self._tell_missed(await self._state())
                # What has come may have no end: others of this process want their turn.
                await asyncio.sleep(0)

    async def _batch(self, follower: Follower) -> list[Delivery]:
        """Returns what has come; what was still to come may be removed before it does."""
        while self.behind:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SILENCE):
                    return await follower.batch()
            with contextlib.suppress(PepperError):
                if await follower.caught_up() is not None:
                    self._note_end(0)
        return await follower.batch()

    async def _state(self) -> StreamState:
        return stream_state(await api(self._connection, f"STREAM.INFO.{self.stream}"))

    def _begin(self, state: StreamState) -> int:
        """Returns where to begin, and notes what went before that."""
        first = max(state.first_seq, state.last_seq - _horizon(state) + 1)
        own = _of(state, self.position)
        last = own or _of(state, self._read)
        # One that lost its end gives the numbers out again. Without anybody who read it, all that
        # is there is the past.
        known = state.last_seq if last is None else min(last.seq, state.last_seq)
        if known + 1 < first:
            self._missed.append((Hole(known + 1, first - 1), "away"))
            # Should it begin anew before anything has come, that was told already.
            self.position = Position(first - 1, state.created)
        begin = first if own is None else max(first, known + 1)
        self._continuity = Continuity(begin - 1, known=known)
        return begin

    def _take_all(self, taken: list[Delivery]) -> None:
        seen, take = self._continuity.seen, self._take
        for delivery in taken:
            at = delivery.time_ns * _NANOSECOND
            hole = seen(delivery.seq, at)
            if hole is not None and self._holes:
                self._missed.append((hole, None))
            try:
                take(delivery, at)
            except Exception:
                # One message that nobody foresaw must not hide all that come after it.
                self.failures += 1
                log.exception("monitor.not_taken", subject=delivery.subject, seq=delivery.seq)

    def _note_end(self, pending: int) -> None:
        self.behind = pending
        if not pending:
            self.complete.set()

    def _tell_missed(self, state: StreamState) -> None:
        missed, self._missed = self._missed, []
        for hole, reason in missed:
            found = gap(self.stream, hole, state, now(), reason)
            log.warning(
                "monitor.gap", stream=self.stream, messages=found.count, reason=found.reason
            )
            self._on_gap(found)


def _horizon(state: StreamState) -> int:
    if state.bytes <= HORIZON_BYTES:
        return HORIZON
    return min(HORIZON, max(1, state.messages * HORIZON_BYTES // state.bytes))


def _of(state: StreamState, position: Position | None) -> Position | None:
    """A position, if it is one of this stream."""
    return position if position is not None and position.created == state.created else None
