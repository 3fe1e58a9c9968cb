"""Live streams: events as they happen, and what has changed.

A page that takes less than happens is told how much it has missed; what waits for it is bounded in
number and in bytes, whatever happens on the bus.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from pepperpy_bus.events import Heard, event_subjects, heard
from pepperpy_bus.streams.follow import Follower, follow
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.where import Predicate, compile_where
from pepperpy_monitor_svc.http.events import SIGN_OF_LIFE, Listener
from pepperpy_monitor_svc.web.access import still_reads
from pepperpy_monitor_svc.web.parts import PARTS
from pepperpy_monitor_svc.web.queries import moment
from pepperpy_schemas.codec import encode
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.subjects import stream_name

PACE: Final = 0.1
"""Seconds between two frames."""
_OVERVIEW: Final = 1.0
_FRAME: Final = 200
"""Events of a frame."""
_WAITING: Final = 2_000
_WAITING_BYTES: Final = 4 << 20
_LARGE: Final = 64 << 10
"""Bytes of an event that is shown whole."""


class Backlog:
    """Events that a page has not been sent yet: the newest of them, bounded."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._dropped = 0
        self.stirred = asyncio.Event()

    def add(self, seq: int, body: bytes) -> None:
        """Takes an event; the oldest that wait make room."""
        self._waiting.append((seq, body))
        self._bytes += len(body)
        while len(self._waiting) > _WAITING or self._bytes > _WAITING_BYTES:
            self._bytes -= len(self._waiting.popleft()[1])
            self._dropped += 1
        self.stirred.set()

    def take(self) -> tuple[int, bytes] | None:
        """Returns the next frame with the number of its last event; None when nothing waits."""
        some = [self._waiting.popleft() for _ in range(min(_FRAME, len(self._waiting)))]
        if not some:
            self.stirred.clear()
            return None
        self._bytes -= sum(len(body) for _, body in some)
        dropped, self._dropped = self._dropped, 0
        told = b'"dropped":%d,' % dropped if dropped else b""
        return some[-1][0], b'{%s"events":[%s]}' % (told, b",".join(body for _, body in some))


async def live(request: web.Request) -> web.StreamResponse:
    """Events by pattern and condition, from now on, from a time, or from where a page was."""
    monitor, seats = request.app[PARTS].monitor, request.app[PARTS].seats
    subjects = event_subjects(monitor.client.prefix, request.query.get("pattern") or ">")
    where = request.query.get("where", "")
    matches = compile_where(where) if where else None
    since = request.query.get("since", "")
    start = moment(since, "since") if since else None
    stream = stream_name(monitor.client.prefix, "EVENTS")
    last = await _last_id(request, stream)
    following = _following(request, stream, subjects, start, last)
    async with seats.listener(request) as listener, following as follower:
        backlog = Backlog()
        reading = asyncio.create_task(_read(follower, matches, backlog), name="live-read")
        try:
            await _tell(request, listener, backlog, reading)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    return listener.response


async def changes(request: web.Request) -> web.StreamResponse:
    """The overview at most once a second, and the names of what has changed."""
    parts = request.app[PARTS]
    loop = asyncio.get_running_loop()
    async with parts.seats.listener(request) as listener, parts.changes.listening() as pending:
        told = -_OVERVIEW
        while still_reads(request):
            frame = pending.take()
            if frame or loop.time() - told >= SIGN_OF_LIFE / 3:
                if loop.time() - told >= _OVERVIEW:
                    told = loop.time()
                    frame |= parts.glance.look()
                await listener.send(frame)
            await asyncio.sleep(PACE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_OVERVIEW):
                    await pending.stirred.wait()
    return listener.response


async def _tell(
    request: web.Request, listener: Listener, backlog: Backlog, reading: "asyncio.Task[None]"
) -> None:
    while still_reads(request):
        frame = backlog.take()
        if frame is not None:
            await listener.send(frame[1], id=str(frame[0]))
        elif reading.done():
            reading.result()
            return
        else:
            await _stirred(backlog, reading, listener)
        await asyncio.sleep(PACE)


async def _stirred(backlog: Backlog, reading: "asyncio.Task[None]", listener: Listener) -> None:
    stirred = asyncio.create_task(backlog.stirred.wait(), name="live-stirred")
    try:
        done, _ = await asyncio.wait(
            {stirred, reading}, timeout=SIGN_OF_LIFE, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        stirred.cancel()
    if not done:
        await listener.live()


async def _read(follower: Follower, matches: Predicate | None, backlog: Backlog) -> None:
    async for delivery in follower:
        try:
            one = heard(delivery)
        except PepperError:
            continue  # it is counted by the fleet, which reads all of them
        if matches is None or matches(one.fields()):
            backlog.add(one.seq, shown(one))


@contextlib.asynccontextmanager
async def _following(
    request: web.Request,
    stream: str,
    subjects: list[str],
    since: datetime | None,
    last: int | None,
) -> AsyncIterator[Follower]:
    connection = request.app[PARTS].monitor.client.connection
    if last is not None:
        opening = follow(connection, stream, subjects, from_seq=last + 1)
    else:
        opening = follow(connection, stream, subjects, since=since, new=since is None)
    async with opening as follower:
        yield follower


async def _last_id(request: web.Request, stream: str) -> int | None:
    """The last event that the page was sent, unless the stream has begun anew since."""
    text = request.headers.get("Last-Event-ID", "") or request.query.get("last", "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    info = await api(request.app[PARTS].monitor.client.connection, f"STREAM.INFO.{stream}")
    return int(text) if int(text) <= info["state"]["last_seq"] else 0


def shown(one: Heard) -> bytes:
    """Returns an event as pages get it; of a very large one its size stands for its values."""
    values: dict[str, Any] = {
        "seq": one.seq,
        "entity": one.entity,
        "verb": one.verb,
        "scope": one.scope,
        "id": one.id,
        **msgspec.structs.asdict(one.event),
        "event": one.event.id,
    }
    values["id"] = one.id
    body = encode(values)
    if len(body) > _LARGE:
        body = encode(values | {"data": {}, "truncated": len(body)})
    return body
