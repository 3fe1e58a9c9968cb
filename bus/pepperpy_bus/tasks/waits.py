"""Suspended tasks: what they wait for, and whether it is there; `wakes` has how they are woken."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.blobs import redeem
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.jetstream import delete_message
from pepperpy_bus.streams.reading import last_on, read_as_stored
from pepperpy_bus.tasks.given_answers import objection, read_answer
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.results import Results
from pepperpy_bus.tasks.schedules import wake_at
from pepperpy_bus.tasks.wakes import forget_task_wake, wake, wake_name
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import ANSWER, RESUME
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.messages import Answer, Result, Resume, WaitEntry
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.waits")

FIRST_LOOK: Final = timedelta(seconds=30)
"""After this long a parent looks for its children: foreign workers tell nobody of their ends."""
LAST_LOOK: Final = timedelta(hours=1)
"""The looks become rarer, up to this."""
RENEWAL: Final = timedelta(days=10)
"""A waiting task's journal is written anew so often, so that it outlives its expiry."""
_SLACK: Final = timedelta(milliseconds=50)
_AT_ONCE: Final = 64
_NOTHING: Final = History()


Refused = Callable[[str, str, WaitEntry, Answer | None], Awaitable[None]]


class Over(msgspec.Struct, frozen=True):
    """How a wait ended.

    Attributes:
        how: By an answer, the ends of children, or the deadline.
        data: The answer, or the list of results, as JSON.
        by: Who says to have answered.
    """

    how: Literal["answer", "children", "deadline"]
    data: bytes = b"null"
    by: str = ""


async def forget_answers(connection: Connection, prefix: str, task_id: str) -> None:
    """Removes the answers to an ended task's questions, which another of its id may ask again."""
    stream = stream_name(prefix, "ANSWERS")
    given = {"last_by_subj": ANSWER.pattern(prefix, id=task_id)}
    while (last := await read_as_stored(connection, stream, given)) is not None:
        await delete_message(connection, stream, last.seq)


class Waits:
    """The waits of a deployment's tasks, as workers see them.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        results: The tasks' ends.
        clock: The server's clock.
        refused: Called with task, topic, question and the answer that is refused;
            None when it is no text.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        results: Results,
        clock: ServerClock,
        refused: Refused,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._results = results
        self._clock = clock
        self._refused = refused

    async def outcome(
        self, task_id: str, topic: str, wait: WaitEntry, history: History = _NOTHING
    ) -> Over | None:
        """Returns how a wait has ended, or None while it lasts.

        Args:
            task_id: The task.
            topic: Its topic.
            wait: What it waits for.
            history: Its journal, which may know of children whose results have expired.
        """
        over: Over | None = None
        if wait.what == "answer":
            over = await self._answered(task_id, topic, wait)
        elif wait.what == "children":
            over = await self._children(wait, history)
        if over is None and wait.deadline and wait.deadline - _SLACK <= self._clock.now():
            return Over("deadline", bytes(wait.default))
        return over

    async def arm(
        self, task_id: str, topic: str, wait: WaitEntry, deadline: datetime | None
    ) -> None:
        """Has the server wake the task when its wait is over, to remind people, or to look.

        Args:
            task_id: The task.
            topic: Its topic.
            wait: What it waits for.
            deadline: The task's own deadline.
        """
        when, reason = self._next_wake(wait, deadline)
        await wake_at(
            self._connection,
            self._prefix,
            topic=topic,
            task_id=task_id,
            when=when,
            body=RESUME.encode(Resume(reason, n=wait.n)),
            name=wake_name(task_id),
        )

    async def look(self, task_id: str, topic: str, wait: WaitEntry) -> None:
        """Wakes the task if its wait is over already.

        What came before anybody could know of the wait has woken nobody. To be called when the
        delivery that the task ran on is settled: while it is not, no wake is taken.
        """
        if await self.outcome(task_id, topic, wait) is not None:
            resume = Resume("check", n=wait.n)
            await wake(self._connection, self._prefix, topic=topic, task_id=task_id, resume=resume)

    async def disarm(self, task_id: str, wait: WaitEntry) -> None:
        """Takes the wake of a wait that is over back, unless it comes soon anyway."""
        if wait.deadline is not None or wait.what != "children":
            await forget_task_wake(self._connection, self._prefix, task_id)

    def _next_wake(
        self, wait: WaitEntry, deadline: datetime | None
    ) -> tuple[datetime, Literal["deadline", "reminder", "check"]]:
        now = self._clock.now()
        age = now - wait.ts
        # A worker that died between its acknowledgement and its look has told nobody.
        look = FIRST_LOOK if age < FIRST_LOOK else RENEWAL
        if wait.what == "children":
            look = min(max(FIRST_LOOK, age / 2), LAST_LOOK)
        wakes: list[tuple[datetime, Literal["deadline", "reminder", "check"]]]
        wakes = [(now + look, "check")]
        if wait.remind:
            wakes.append((now + timedelta(seconds=wait.remind), "reminder"))
        wakes += [(end, "deadline") for end in (wait.deadline, deadline) if end is not None]
        return min(wakes)

    async def _answered(self, task_id: str, topic: str, wait: WaitEntry) -> Over | None:
        stream = stream_name(self._prefix, "ANSWERS")
        subject = ANSWER.of(self._prefix, topic=topic, id=task_id, question=str(wait.question))
        stored = await last_on(self._connection, stream, subject)
        if stored is None:
            return None
        given = read_answer(stored.body)
        if given is not None and not objection(wait, given.answer):
            return Over("answer", encode(given.answer), given.by)
        # It makes room for a valid one; the question stays open.
        log.warning("waits.answer_refused", task_id=task_id, body=stored.body[:80])
        if await delete_message(self._connection, stream, stored.seq):
            await self._refused(task_id, topic, wait, given)
        return None

    async def ends(self, wait: WaitEntry, history: History) -> dict[str, Result]:
        """Returns the ends of those children that the journal does not have yet."""
        found: dict[str, Result] = {}
        missing = [one for one in wait.children if one not in history.ends]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            ended = await asyncio.gather(*(self._results.get(one) for one in some))
            found |= {one.id: one.result for one in ended if one is not None}
        return found

    async def _end_of(self, child: str, history: History) -> Result | None:
        kept = history.ends.get(child)
        if kept is None:
            ended = await self._results.get(child)
            return None if ended is None else ended.result
        fields = {h.BLOB.lower(): kept.blob} if kept.blob else {}
        data = await redeem(self._connection, self._prefix, bytes(kept.data), fields)
        return decode(data, Result)

    async def _children(self, wait: WaitEntry, history: History) -> Over | None:
        ended: list[Result | None] = []
        # From the last on, few at first: each child that ends sets this off, and mostly the last
        # ones are missing.
        some, left = 1, len(wait.children)
        while left:
            first = max(0, left - some)
            found = await asyncio.gather(
                *(self._end_of(one, history) for one in wait.children[first:left])
            )
            if not wait.first and None in found:
                return None
            ended += reversed(found)
            some, left = min(some * 2, _AT_ONCE), first
        if not any(ended):
            return None
        return Over("children", encode(ended[::-1]))
