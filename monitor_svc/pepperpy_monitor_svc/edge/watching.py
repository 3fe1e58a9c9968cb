"""A task as it goes on: events, live output and its end, over server-sent events.

Nothing is left out: a listener that takes less than a task says is left when a few MiB wait for it,
and goes on where it was when it comes again with ``Last-Event-ID``.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec
from aiohttp import web

from pepperpy_bus.events import Heard
from pepperpy_bus.tasks.watch import Update
from pepperpy_monitor_svc.edge.admission import caller_of
from pepperpy_monitor_svc.edge.parts import PARTS
from pepperpy_monitor_svc.edge.tasks import view_of
from pepperpy_monitor_svc.http.events import SIGN_OF_LIFE, Listener
from pepperpy_schemas.codec import encode
from pepperpy_schemas.tokens import check_token

_WAITING: Final = 4 << 20
"""Bytes that may wait for a listener."""
_END: Final = "end"
_PLACE: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,9})-([0-9]{1,9})")


class _Frame(msgspec.Struct, frozen=True):
    event: str
    id: str
    body: bytes


async def events(request: web.Request) -> web.StreamResponse:
    """Streams what happens to a task until it has ended."""
    parts = request.app[PARTS]
    task_id = check_token(request.match_info["name"], what="task id")
    last = request.headers.get("Last-Event-ID", "")
    if last == _END:
        return web.Response(status=204)  # an EventSource comes again unless it is told so
    if await parts.client.results.get(task_id) is None:
        await parts.client.task_state(task_id)  # or there is no such task
    async with parts.seats.listener(request, caller_of(request)) as listener:
        waiting = _Waiting()
        reading = asyncio.create_task(
            waiting.fill(_frames(parts.client.watch, task_id, last)), name="edge-watch"
        )
        try:
            await _tell(listener, waiting, reading)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    return listener.response


class _Waiting:
    """Frames that wait for their listener."""

    def __init__(self) -> None:
        self._frames: deque[_Frame] = deque()
        self._bytes = 0
        self.stirred = asyncio.Event()

    async def fill(self, frames: AsyncGenerator[_Frame, None]) -> None:
        """Takes frames until there are no more, or too many wait."""
        async with contextlib.aclosing(frames):
            async for frame in frames:
                self._frames.append(frame)
                self._bytes += len(frame.body)
                self.stirred.set()
                if self._bytes > _WAITING:
                    return

    def take(self) -> _Frame | None:
        if not self._frames:
            self.stirred.clear()
            return None
        frame = self._frames.popleft()
        self._bytes -= len(frame.body)
        return frame


async def _tell(listener: Listener, waiting: _Waiting, reading: "asyncio.Task[None]") -> None:
    while True:
        frame = waiting.take()
        if frame is not None:
            await listener.send(frame.body, id=frame.id, event=frame.event)
        elif reading.done():
            reading.result()
            return
        else:
            await _stirred(listener, waiting, reading)


async def _stirred(listener: Listener, waiting: _Waiting, reading: "asyncio.Task[None]") -> None:
    stirred = asyncio.create_task(waiting.stirred.wait(), name="edge-stirred")
    try:
        done, _ = await asyncio.wait(
            {stirred, reading}, timeout=SIGN_OF_LIFE, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        stirred.cancel()
    if not done:
        await listener.live()


async def _frames(watch: Any, task_id: str, last: str) -> AsyncGenerator[_Frame, None]:
    """What a watcher sees, from where a listener was: its last event and its last piece."""
    found = _PLACE.fullmatch(last)
    seq, attempt, piece = (int(one) for one in found.groups()) if found else (0, 0, 0)
    start = (attempt, piece + 1) if found and piece else None
    seen = seq
    async with contextlib.aclosing(watch(task_id, start=start)) as updates:
        async for update in updates:
            match update:
                case Update(event=Heard() as event):
                    if event.seq <= seen:
                        continue
                    seq = event.seq
                    name, body = "event", encode(_event(event))
                case Update(token=token) if token is not None:
                    attempt, piece = token.attempt, token.seq
                    name, body = "token", encode(token)
                case Update(gap=gap) if gap is not None:
                    attempt, piece = gap.attempt, gap.last
                    name, body = "gap", encode(gap)
                case Update(ended=ended) if ended is not None:
                    yield _Frame("ended", _END, encode(view_of(ended)))
                    return
                case _:
                    continue
            yield _Frame(name, f"{seq}-{attempt}-{piece}", body)


def _event(one: Heard) -> dict[str, Any]:
    return {
        "name": one.name,
        "at": one.event.ts,
        "scope": one.scope,
        "attempt": one.event.attempt,
        "data": one.event.data,
    }
