"""Results: written once, read live or late, never polled for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import msgspec

from pepperpy_bus.connection import Connection
from pepperpy_bus.jetstream import last_on, store
from pepperpy_bus.logs import get_log
from pepperpy_bus.message import Message
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog import RESULT
from pepperpy_schemas.errors import PepperError, WrongSequence
from pepperpy_schemas.messages import Result
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.results")


class Ended(msgspec.Struct, frozen=True):
    """A task's end, as it was stored.

    Attributes:
        id: The task.
        result: How it ended.
        topic: Its topic, when the writer said so.
        attempt: The number of the attempt that ended it, 0 when unknown.
    """

    id: str
    result: Result
    topic: str = ""
    attempt: int = 0


class Waiter:
    """Waits for one task's result; `Results.expect` makes one."""

    def __init__(self, task_id: str, ended: "asyncio.Future[Ended]") -> None:
        self.id = task_id
        self._ended = ended

    async def wait(self, timeout: float | None = None) -> Ended:
        """Returns the task's end.

        Raises:
            TimeoutError: It had not ended after that many seconds; the task goes on.
        """
        if timeout is None:
            return await self._ended
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._ended)


class Results:
    """The results of a deployment."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._stream = stream_name(prefix, "RESULTS")
        self._waiting: dict[str, set[asyncio.Future[Ended]]] = {}
        self._checks: set[asyncio.Task[None]] = set()
        connection.on_reconnect.append(self._check_all)

    async def put(
        self,
        task_id: str,
        result: Result,
        *,
        attempt: int,
        headers: Mapping[str, str] | None = None,
    ) -> bool:
        """Stores a task's end unless it has one; returns whether this one is it.

        The first valid result wins: a worker that lost its task may complete it, never change it.
        """
        msg_id = f"{task_id}:r:{attempt}"
        subject = RESULT.of(self._prefix, id=task_id)
        body = RESULT.encode(result)
        try:
            await store(
                self._connection, subject, body, msg_id=msg_id, headers=headers, expect_last=0
            )
        except WrongSequence:
            # Either another result is there, or ours is and its acknowledgement was lost.
            there = await last_on(self._connection, self._stream, subject)
            return there is not None and there.headers.get(h.MSG_ID.lower()) == msg_id
        return True

    async def get(self, task_id: str) -> Ended | None:
        """Returns a task's end, or None when it has not ended (or its result has expired)."""
        subject = RESULT.of(self._prefix, id=task_id)
        stored = await last_on(self._connection, self._stream, subject)
        return None if stored is None else _ended(task_id, stored.body, stored.headers)

    @contextlib.asynccontextmanager
    async def expect(self, task_id: str, *, submitted: bool = False) -> AsyncIterator[Waiter]:
        """Listens for a task's result; enter it before the task is published.

        Args:
            task_id: The task.
            submitted: It was published before: an earlier result is looked up as well.
        """
        ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

        def take(message: Message) -> None:
            self._resolve(ended, task_id, message.body, message.headers)

        subject = RESULT.of(self._prefix, id=task_id)
        # Subscription and publish travel on one connection, so the server sees them in order.
        subscription = await self._connection.subscribe(subject, take)
        self._waiting.setdefault(task_id, set()).add(ended)
        try:
            if submitted:
                await self._connection.flush()
                await self._check(task_id)
            yield Waiter(task_id, ended)
        finally:
            waiting = self._waiting[task_id]
            waiting.discard(ended)
            if not waiting:
                del self._waiting[task_id]
            if not ended.done():
                ended.cancel()
            await subscription.stop()

    def _check_all(self) -> None:
        """After a reconnect: what ended meanwhile was not heard."""
        for task_id in list(self._waiting):
            check = asyncio.create_task(self._check_quietly(task_id), name=f"result-{task_id}")
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)

    async def _check_quietly(self, task_id: str) -> None:
        delay = 0.1
        while task_id in self._waiting:
            try:
                await self._check(task_id)
            except PepperError as error:
                log.debug("results.check_failed", task_id=task_id, error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
            else:
                return

    async def _check(self, task_id: str) -> None:
        found = await self.get(task_id)
        for ended in self._waiting.get(task_id, ()) if found else ():
            if found is not None and not ended.done():
                ended.set_result(found)

    def _resolve(
        self,
        ended: "asyncio.Future[Ended]",
        task_id: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> None:
        if ended.done():
            return
        try:
            ended.set_result(_ended(task_id, body, headers))
        except PepperError as error:
            # The stream refuses a second result, so an unreadable first one is the end.
            ended.set_exception(error)


def _ended(task_id: str, body: bytes, headers: Mapping[str, str]) -> Ended:
    attempt = headers.get(h.ATTEMPT.lower(), "")
    return Ended(
        task_id,
        RESULT.decode(body),
        headers.get(h.TOPIC.lower(), ""),
        int(attempt) if attempt.isdigit() else 0,
    )
