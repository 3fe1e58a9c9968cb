"""Watching one task: its events, its live output and its end, in one stream, from the beginning."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import msgspec

from pepperpy_bus.events import Heard, heard
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.streams.reading import last_on
from pepperpy_bus.tasks.results import Ended, Results
from pepperpy_schemas.catalog.events import EVENT, EVENT_HIGH
from pepperpy_schemas.catalog.tasks import TOKEN
from pepperpy_schemas.errors import PepperError, Unavailable, Unreachable
from pepperpy_schemas.messages import Token
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.watch")

SETTLE = 1.0
"""Seconds to wait, after the result, for the last output and for the event that tells of it."""

_TERMINAL = frozenset(state.verb for state in TaskState if state.terminal)


class Gap(msgspec.Struct, frozen=True):
    """Pieces of output that are missing: they have expired, or were lost with a broker's disk.

    Attributes:
        attempt: The attempt that wrote them.
        first: The first that is missing.
        last: The last.
    """

    attempt: int
    first: int
    last: int


class Update(msgspec.Struct, frozen=True):
    """What a watcher sees next: exactly one of these is set.

    Attributes:
        event: Something happened to the task.
        token: A piece of its live output.
        gap: Pieces of its output are missing here.
        ended: Its end; nothing follows.
    """

    event: Heard | None = None
    token: Token | None = None
    gap: Gap | None = None
    ended: Ended | None = None


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in a task's output: an attempt, and a piece within it, from 1.

    Attributes:
        attempt: The attempt; 0 stands for whichever speaks.
        seq: The piece.
    """

    attempt: int = 0
    seq: int = 1


class _Pieces:
    """Puts the pieces of output into order: one attempt at a time, none twice, gaps told."""

    def __init__(self, start: Position) -> None:
        self._start = start
        self._attempt = start.attempt
        self._next = start.seq

    def updates(self, token: Token) -> list[Update]:
        """Returns what a watcher sees of a piece that was read from the stream."""
        if token.attempt < self._attempt:
            return []  # of an attempt that has lost the task
        if token.attempt > self._attempt:
            # The start counts for the attempt that it names, or the first that speaks.
            first = self._start.seq if self._attempt == 0 else 1
            self._attempt, self._next = token.attempt, first
        if token.seq < self._next:
            return []
        gap = Gap(token.attempt, self._next, token.seq - 1)
        missing = [Update(gap=gap)] if token.seq > self._next else []
        self._next = token.seq + 1
        return [*missing, Update(token=token)]


class _Output:
    """How far the output was heard as it was said, and how far it was read from its stream.

    The stream acknowledges nothing, and may have the last piece a little later than we the result.
    But what was said before the result was heard before it: both came by the same way.
    """

    def __init__(self) -> None:
        self._said = (0, 0)
        self._read = (0, 0)
        self._seq = 0
        self._moved = asyncio.Event()

    def hear(self, message: Message) -> None:
        with contextlib.suppress(PepperError):
            self._said = max(self._said, _place(TOKEN.decode(message.body)))

    def read(self, token: Token) -> None:
        self._read = max(self._read, _place(token))

    def reach(self, seq: int) -> None:
        self._seq = seq
        self._moved.set()

    async def wait_for(self, seq: int) -> None:
        """Returns when everything up to that sequence number, and all that was said, was read."""
        while self._seq < seq or self._read < self._said:
            self._moved.clear()
            await self._moved.wait()


def _place(token: Token) -> tuple[int, int]:
    return token.attempt, token.seq


_BEGINNING = Position()


async def watch_task(
    connection: Connection,
    prefix: str,
    results: Results,
    task_id: str,
    start: Position = _BEGINNING,
) -> AsyncIterator[Update]:
    """Yields everything that has happened to a task and all that does, until it has ended.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        results: Where ends are waited for.
        task_id: The task.
        start: The first piece of output to yield; events come from the beginning.
    """
    pieces = _Pieces(start)
    queue: asyncio.Queue[Update] = asyncio.Queue()
    told = asyncio.Event()
    spoken = _Output()
    events_stream, tokens_stream = stream_name(prefix, "EVENTS"), stream_name(prefix, "TOKENS")
    output = TOKEN.of(prefix, id=task_id)

    async def events() -> None:
        subjects = [kind.pattern(prefix, entity="task", id=task_id) for kind in (EVENT_HIGH, EVENT)]
        async with follow(connection, events_stream, subjects) as follower:
            async for delivery in follower:
                with _unreadable_is_skipped(delivery):
                    one = heard(delivery)
                    queue.put_nowait(Update(event=one))
                    if one.verb in _TERMINAL:
                        told.set()

    async def tokens() -> None:
        async with follow(connection, tokens_stream, [output]) as follower:
            async for delivery in follower:
                with _unreadable_is_skipped(delivery):
                    token = TOKEN.decode(delivery.body)
                    spoken.read(token)
                    for update in pieces.updates(token):
                        queue.put_nowait(update)
                spoken.reach(delivery.seq)

    async def end() -> None:
        hearing = await connection.subscribe(output, spoken.hear)
        async with hearing, results.expect(task_id, submitted=True) as waiter:
            ended = await waiter.wait()
        # The result travels by a way of its own and may be here before what came before it. After
        # a restart of the broker there may be no live output to wait for.
        with contextlib.suppress(TimeoutError, Unavailable, Unreachable):
            async with asyncio.timeout(SETTLE):
                last = await last_on(connection, tokens_stream, output)
                await spoken.wait_for(last.seq if last else 0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                await told.wait()
        queue.put_nowait(Update(ended=ended))

    parts = [
        asyncio.create_task(part(), name=f"watch-{part.__name__}-{task_id}")
        for part in (events, tokens, end)
    ]
    try:
        while True:
            update = await _next(queue, parts)
            yield update
            if update.ended is not None:
                return
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)


@contextlib.contextmanager
def _unreadable_is_skipped(delivery: Delivery) -> Iterator[None]:
    """One message that somebody wrote wrongly must not hide the others."""
    try:
        yield
    except PepperError as error:
        log.warning("watch.unreadable", subject=delivery.subject, error=str(error))


async def _next(queue: asyncio.Queue[Update], parts: "list[asyncio.Task[None]]") -> Update:
    """The next update; an error of one of the parts is the watcher's error."""
    getting = asyncio.create_task(queue.get(), name="watch-next")
    try:
        await asyncio.wait({getting, *parts}, return_when=asyncio.FIRST_COMPLETED)
        for part in parts:
            if part.done() and (error := part.exception()) is not None:
                raise error
        return await getting
    finally:
        getting.cancel()
