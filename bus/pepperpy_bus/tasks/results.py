"""Results: written once, read live or late, never polled for.

The server itself sends acknowledgements and copies of messages to any subject that a request names
as its reply subject, a result's among them. So not everything that lies on the subject of a result
is one: readers pass over what no worker can have written, and the true result replaces it.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Self

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.blobs import THRESHOLD, Blobs, claim_check, redeem
from pepperpy_bus.streams.jetstream import delete_message, store
from pepperpy_bus.streams.reading import Stored, last_as_stored
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import RESULT
from pepperpy_schemas.errors import (
    BadPayload,
    ErrorInfo,
    PepperError,
    Unavailable,
    Unreachable,
    WrongSequence,
)
from pepperpy_schemas.messages import Result
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.results")

_TRIES: Final = 20
_PAUSE: Final = 0.05
"""Seconds before a refused result is stored again; each next pause is twice as long, up to 1."""
_SLACK: Final = 3600
_BRIEF: Final = 1000
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
# The server adds them to every message that it reads for somebody; no publisher has them.
_OF_A_COPY: Final = frozenset(name.lower() for name in (h.SUBJECT, h.STREAM, h.SEQUENCE))


class Ended(msgspec.Struct, frozen=True):
    """A task's end, as it was stored.

    Attributes:
        id: The task.
        result: How it ended.
        topic: Its topic, when the writer said so.
        attempt: The number of the attempt that ended it, 0 when unknown.
        fingerprint: Of topic and body, when the caller chose the id; see `bodies.fingerprint`.
    """

    id: str
    result: Result
    topic: str = ""
    attempt: int = 0
    fingerprint: str = ""


class Waiter:
    """Listens for one task's result while its context is open; `Results.expect` makes one."""

    def __init__(self, results: "Results", task_id: str, *, submitted: bool) -> None:
        self.id = task_id
        self._results = results
        self._submitted = submitted
        self._subject = RESULT.of(results._prefix, id=task_id)
        self._ended: asyncio.Future[Ended] = results._connection.loop.create_future()

    async def __aenter__(self) -> Self:
        results = self._results
        # Subscription and publish travel on one connection, so the server sees them in order.
        self._subscription = await results._connection.subscribe(self._subject, self._take)
        results._waiting.setdefault(self.id, set()).add(self._ended)
        if self._submitted:
            try:
                await results._look_up(self.id)
            except BaseException:
                await self.__aexit__()
                raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        ended, results = self._ended, self._results
        waiting = results._waiting[self.id]
        waiting.discard(ended)
        if not waiting:
            del results._waiting[self.id]
        if not ended.cancel() and not ended.cancelled():
            ended.exception()  # seen, though nobody may have waited for it
        await self._subscription.stop()

    def _take(self, message: Message) -> None:
        # A pulled message is sent here under its own subject when this one asked for it.
        if message.subject == self._subject and not self._ended.done():
            self._results._hear(self._ended, self.id, message)

    async def wait(self, timeout: float | None = None) -> Ended:
        """Returns the task's end.

        Raises:
            TimeoutError: It had not ended after that many seconds; the task goes on.
            Unreachable: The broker closed the connection for good.
            NotFound: It ended with a large result, whose body has been deleted since.
        """
        if timeout is None:
            return await self._ended
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._ended)


class Results:
    """The results of a deployment.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        threshold: Bytes above which a result travels by reference.
        keep: Seconds that results are kept; the body of one that travels by reference a little
            longer. 0 keeps it as long as the object store keeps things.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        *,
        threshold: int = THRESHOLD,
        keep: float = 0.0,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._stream = stream_name(prefix, "RESULTS")
        self._threshold = threshold
        self._blob_ttl = f"{int(keep) + _SLACK}s" if keep else ""
        self._waiting: dict[str, set[asyncio.Future[Ended]]] = {}
        self._readings: set[asyncio.Task[None]] = set()
        connection.on_reconnect.append(self._check_all)
        connection.on_close.append(self._fail_all)

    async def put(
        self,
        task_id: str,
        result: Result,
        *,
        attempt: int,
        headers: Mapping[str, str] | None = None,
        writer: str = "",
    ) -> bool:
        """Stores a task's end unless it has one; returns whether this one is it.

        The first valid result wins: a worker that lost its task may complete it, never change it.

        Args:
            task_id: The task.
            result: Its end.
            attempt: The attempt that it ends with.
            headers: Headers of the result.
            writer: Who writes, when it is not the attempt itself: two writers are told apart.

        Raises:
            TooLarge: It is larger than a body may be.
        """
        msg_id = f"{task_id}:r:{attempt}{':' if writer else ''}{writer}"
        subject = RESULT.of(self._prefix, id=task_id)
        body, fields = RESULT.encode(result), dict(headers or {})
        if len(body) > self._threshold:
            body, fields = await self._by_reference(result, body, fields)
        there = await self._store_first(subject, body, fields, msg_id)
        if there is None:
            return True
        # Either another result is there, or ours is and its acknowledgement was lost.
        reference = fields.get(h.BLOB)
        if reference and there.headers.get(h.BLOB.lower()) != reference:
            with contextlib.suppress(PepperError):
                await Blobs(self._connection, self._prefix).delete(reference)
        return there.headers.get(h.MSG_ID.lower()) == msg_id

    async def get(self, task_id: str) -> Ended | None:
        """Returns a task's end, or None when it has not ended (or its result has expired).

        Raises:
            NotFound: It ended with a large result, whose body has been deleted since.
        """
        subject = RESULT.of(self._prefix, id=task_id)
        there = await last_as_stored(self._connection, self._stream, subject)
        if there is None or not self._genuine(task_id, there.body, there.headers):
            return None
        return await self._read(task_id, there.body, there.headers)

    def expect(self, task_id: str, *, submitted: bool = False) -> Waiter:
        """Returns what listens for a task's result; enter it before the task is published.

        Args:
            task_id: The task.
            submitted: It was published before: an earlier result is looked up as well.
        """
        return Waiter(self, task_id, submitted=submitted)

    # --- writing --------------------------------------------------------------------------------

    async def _by_reference(
        self, result: Result, body: bytes, fields: dict[str, str]
    ) -> tuple[bytes, dict[str, str]]:
        """What to store instead of a large result: its outline with a reference to it."""
        _, fields = await claim_check(
            self._connection, self._prefix, body, fields, self._threshold, ttl=self._blob_ttl
        )
        return RESULT.encode(Result(result.ok, error=_outline(result.error))), fields

    async def _store_first(
        self, subject: str, body: bytes, fields: Mapping[str, str], msg_id: str
    ) -> Stored | None:
        """Stores a result where none is; returns the one that is there already.

        Refused though none is there, it is on its way through a cluster, see `compare_and_set`.
        """
        for tries in range(_TRIES):
            try:
                await store(
                    self._connection,
                    subject,
                    body,
                    msg_id=msg_id,
                    headers=fields,
                    expect_last=0,
                )
            except WrongSequence:
                there = await last_as_stored(self._connection, self._stream, subject)
                if there is not None and _readable(there.body, there.headers) is not None:
                    return there
                if there is None:
                    await asyncio.sleep(min(_PAUSE * 2**tries, 1.0))
                    continue
                log.warning("results.forged", subject=subject, seq=there.seq)
                await delete_message(self._connection, self._stream, there.seq)
            else:
                return None
        raise Unavailable(f"somebody keeps writing on {subject}")

    # --- reading --------------------------------------------------------------------------------

    async def _look_up(self, task_id: str) -> None:
        """Tells the waiters of a task that may have ended before they listened."""
        try:
            self._tell(task_id, await self._get_now(task_id))
        except PepperError as error:
            if error.category != "bus" or self._connection.closed:
                raise
            # They have time: it is looked up when the broker is back.
            self._begin(task_id, partial(self._get_now, task_id))

    async def _get_now(self, task_id: str) -> Ended | None:
        """The end as it is after the server has heard who listens for it."""
        await self._connection.flush()
        return await self.get(task_id)

    async def _read(self, task_id: str, body: bytes, headers: Mapping[str, str]) -> Ended:
        body = await redeem(self._connection, self._prefix, body, headers)
        return _ended(task_id, RESULT.decode(body), headers)

    def _hear(self, ended: "asyncio.Future[Ended]", task_id: str, message: Message) -> None:
        """Takes what came on the subject while it was listened to."""
        result = self._genuine(task_id, message.body, message.headers)
        if result is None:
            return
        if h.BLOB.lower() in message.headers:
            self._begin(task_id, partial(self._read, task_id, message.body, message.headers))
        else:
            ended.set_result(_ended(task_id, result, message.headers))

    def _genuine(self, task_id: str, body: bytes, headers: Mapping[str, str]) -> Result | None:
        result = _readable(body, headers)
        if result is None:
            log.warning("results.ignored", task_id=task_id, body=body[:80])
        return result

    def _check_all(self) -> None:
        """After a reconnect: what ended meanwhile was not heard."""
        for task_id in list(self._waiting):
            self._begin(task_id, partial(self.get, task_id))

    def _fail_all(self) -> None:
        """The connection is gone for good: nothing will be heard any more."""
        for task_id in self._waiting:
            self._fail(task_id, Unreachable("the broker closed the connection for good"))

    def _begin(self, task_id: str, read: Callable[[], Awaitable[Ended | None]]) -> None:
        reading = asyncio.create_task(self._tell_what(task_id, read), name=f"result-{task_id}")
        self._readings.add(reading)
        reading.add_done_callback(self._readings.discard)

    async def _tell_what(self, task_id: str, read: Callable[[], Awaitable[Ended | None]]) -> None:
        """Reads until the broker has answered, and tells the waiters."""
        delay = 0.1
        while task_id in self._waiting:
            try:
                self._tell(task_id, await read())
            except PepperError as error:
                if error.category == "bus":
                    log.debug("results.read_failed", task_id=task_id, error=str(error))
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 2.0)
                    continue
                self._fail(task_id, error)
            return

    def _tell(self, task_id: str, found: Ended | None) -> None:
        for ended in self._waiting.get(task_id, ()) if found else ():
            if found is not None and not ended.done():
                ended.set_result(found)

    def _fail(self, task_id: str, error: PepperError) -> None:
        for ended in self._waiting.get(task_id, ()):
            if not ended.done():
                ended.set_exception(error)


def _readable(body: bytes, headers: Mapping[str, str]) -> Result | None:
    """The result, or None when it is none that a worker can have written."""
    if not _OF_A_COPY.isdisjoint(headers):
        return None
    try:
        return RESULT.decode(body)
    except BadPayload:
        return None


def _outline(error: ErrorInfo | None) -> ErrorInfo | None:
    """What readers that do not know references see of an error."""
    if error is None:
        return None
    message, hint = error.message[:_BRIEF], error.hint[:_BRIEF]
    return msgspec.structs.replace(error, message=message, hint=hint, context={}, cause=None)


def _ended(task_id: str, result: Result, headers: Mapping[str, str]) -> Ended:
    attempt = headers.get(h.ATTEMPT.lower(), "")
    number = int(attempt) if _NUMBER.fullmatch(attempt) else 0
    topic, mark = headers.get(h.TOPIC.lower(), ""), headers.get(h.FINGERPRINT.lower(), "")
    return Ended(task_id, result, topic, number, mark)
