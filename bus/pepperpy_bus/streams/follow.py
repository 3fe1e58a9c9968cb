"""Following a stream: every message once, in order, without a gap, over reconnects.

The server keeps nothing for a follower that could not be made anew: when the connection was away,
or a delivery is missing, a fresh consumer goes on at the time of the last message that was handed
out, because a stream that lost its end (a killed server, asynchronous persistence, memory) gives
the same sequence numbers out again. What was handed out of that very time is passed over.
"""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.units import format_time, parse_time
from pepperpy_schemas.errors import NotFound, PepperError, Unavailable

WINDOW = 256
"""Messages fetched ahead of the reader."""
_IDLE_NS = 30_000_000_000
_SILENCE = 2.0
_NODES = 3


class Follower:
    """An open reading position in a stream; `follow` makes one."""

    def __init__(
        self, connection: Connection, stream: str, subjects: Sequence[str], start: dict[str, Any]
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._subjects = list(subjects)
        self._start = start
        self._inbox: deque[Delivery] = deque()
        self._lost = False
        self._stirred = asyncio.Event()
        self._puller: Puller | None = None
        self._name = ""
        self._expected = 1
        self._last_ns = 0
        self._at_last: set[int] = set()  # sequence numbers handed out of that time
        self.last_seq = 0
        self.pending = 0

    async def __aenter__(self) -> Self:
        await self._open()
        self._connection.on_reconnect.append(self._lose)
        self._connection.on_close.append(self._lose)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._connection.on_reconnect.remove(self._lose)
        self._connection.on_close.remove(self._lose)
        if self._puller is not None:
            await self._puller.stop()

    async def next(self) -> Delivery:
        """Returns the next message, waiting for it as long as needed.

        Raises:
            NotFound: The stream is gone.
            Unreachable: The broker closed the connection for good.
        """
        while (delivery := await self._step()) is None:
            pass
        return delivery

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        while True:
            yield await self.next()

    async def batch(self) -> list[Delivery]:
        """Returns all messages that have come, waiting for the first as long as needed.

        A reader of many has them for half the processor time of `next`, and counts as having been
        handed all of them.

        Raises:
            NotFound: The stream is gone.
            Unreachable: The broker closed the connection for good.
        """
        while True:
            while not self._lost and not self._inbox:
                self._stirred.clear()
                await self._stirred.wait()
            if self._lost:
                await self._reopen()
            elif taken := self._take_all():
                return taken

    def _take_all(self) -> list[Delivery]:
        inbox, taken = self._inbox, []
        expected = before = self._expected
        while inbox:
            delivery = inbox.popleft()
            if delivery.consumer_seq != expected:
                self._lose()
                break
            expected += 1
            self.pending = delivery.pending
            if self._is_new(delivery):
                taken.append(delivery)
        self._expected = expected
        if self._puller is not None:
            self._puller.release(expected - before)
        return taken

    async def until_end(self) -> AsyncIterator[Delivery]:
        """Yields what is there now, and ends."""
        while self.pending:
            try:
                async with asyncio.timeout(_SILENCE):
                    delivery = await self._step()
            except TimeoutError:
                # What was pending may have expired or been purged since.
                await self._reopen()
            else:
                if delivery is not None:
                    yield delivery

    async def caught_up(self) -> datetime | None:
        """Returns the server's time when all that it had stored by then was handed out, else None.

        Raises:
            PepperError: The server does not say.
        """
        if self._lost or self._inbox:
            return None
        before = self._lost, self._expected
        info = await api(self._connection, f"CONSUMER.INFO.{self._stream}.{self._name}")
        behind = info["num_pending"] or info["delivered"]["consumer_seq"] != self._expected - 1
        moved = (self._lost, self._expected) != before
        return None if behind or moved else parse_time(info["ts"])

    async def _step(self) -> Delivery | None:
        """The next message; None when it is an old one, or after the position was lost."""
        delivery = await self._take()
        if delivery is None:
            await self._reopen()
            return None
        if delivery.consumer_seq != self._expected:
            self._lose()
            return None
        self._expected += 1
        self.pending = delivery.pending
        if self._puller is not None:
            self._puller.release()
        return delivery if self._is_new(delivery) else None

    def _is_new(self, delivery: Delivery) -> bool:
        time_ns, seq = delivery.time_ns, delivery.seq
        if time_ns != self._last_ns:
            self._last_ns = time_ns
            self._at_last.clear()
        elif seq in self._at_last:
            return False
        self._at_last.add(seq)
        self.last_seq = seq
        return True

    async def _take(self) -> Delivery | None:
        """The next message, or None when the position was lost."""
        while not self._lost and not self._inbox:
            self._stirred.clear()
            await self._stirred.wait()
        return None if self._lost else self._inbox.popleft()

    def _lose(self) -> None:
        self._lost = True
        self._stirred.set()

    def _arrive(self, inbox: "deque[Delivery]", delivery: Delivery) -> None:
        inbox.append(delivery)
        self._stirred.set()

    async def _open(self) -> None:
        name, answer = await self._create()
        if self._start["deliver_policy"] == "new":
            # Should it be lost before its first message, "new" means from now on still.
            self._start = _from_time(answer["created"])
        self.pending = int(answer.get("num_pending", 0))
        self._name = name
        self._expected = 1
        self._inbox = deque()
        self._lost = False
        self._puller = Puller(
            self._connection,
            self._stream,
            name,
            slots=WINDOW,
            on_delivery=partial(self._arrive, self._inbox),
            ensure=self._consumer_gone,
        )
        await self._puller.__aenter__()

    async def _create(self) -> tuple[str, dict[str, Any]]:
        """Makes the consumer; returns its name and what the server says of it."""
        for _ in range(_NODES - 1):
            # A cluster gives it to any one node, and nobody answers while that one is away or
            # catching up: another name, another node. What was made unseen goes when idle.
            with contextlib.suppress(Unavailable):
                return await self._create_once()
        return await self._create_once()

    async def _create_once(self) -> tuple[str, dict[str, Any]]:
        name = f"f_{uuid.uuid4().hex}"
        config: dict[str, Any] = {
            "name": name,
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _IDLE_NS,
            "max_deliver": 1,
            "filter_subjects": self._subjects,
            **(_from_time(_rfc3339(self._last_ns)) if self._last_ns else self._start),
        }
        request = {"stream_name": self._stream, "config": config, "action": "create"}
        answer = await api(self._connection, f"CONSUMER.CREATE.{self._stream}.{name}", request)
        return name, answer

    async def _consumer_gone(self) -> None:
        self._lose()

    async def _reopen(self) -> None:
        if self._puller is not None:
            await self._puller.stop()
            self._puller = None
        delay = 0.05
        while True:
            try:
                await self._open()
            except NotFound:
                raise
            except PepperError as error:
                if not error.retryable or self._connection.closed:
                    raise
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)
            else:
                return


def follow(
    connection: Connection,
    stream: str,
    subjects: Sequence[str],
    *,
    since: datetime | None = None,
    from_seq: int | None = None,
    last_per_subject: bool = False,
    new: bool = False,
) -> Follower:
    """Returns a follower of a stream; open it with ``async with``.

    Args:
        connection: The connection.
        stream: The stream.
        subjects: Subject patterns to follow.
        since: Start with the first message stored at this time or later.
        from_seq: Start with this sequence number.
        last_per_subject: Start with the last message of each subject.
        new: Start with what is stored from now on.

    With none of the last four it starts with the first message there is.
    """
    if since is not None:
        start: dict[str, Any] = {
            "deliver_policy": "by_start_time",
            "opt_start_time": format_time(since),
        }
    elif from_seq is not None:
        start = {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, from_seq)}
    elif last_per_subject:
        start = {"deliver_policy": "last_per_subject"}
    else:
        start = {"deliver_policy": "new" if new else "all"}
    return Follower(connection, stream, subjects, start)


def _from_time(moment: str) -> dict[str, Any]:
    return {"deliver_policy": "by_start_time", "opt_start_time": moment}


def _rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
