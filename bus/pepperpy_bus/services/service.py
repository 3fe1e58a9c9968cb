"""Services: typed requests and answers, single or streamed, with bounds.

A request runs beside others, as many as ``concurrency`` says; so many more may wait, and beyond
that the caller is told at once that the service is overloaded. Answers go to inboxes only: a
sender who names another subject could have the service write there with the service's rights.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final, Self

import msgspec

from pepperpy_bus.groups import TaskGroup
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.subscription import Subscription
from pepperpy_bus.logs import get_log
from pepperpy_bus.services import discovery
from pepperpy_bus.services.calls import call, call_stream
from pepperpy_bus.services.discovery import QUEUE, Figures, Profile
from pepperpy_bus.services.streamed import StreamedAnswers
from pepperpy_bus.streams.blobs import MAX_SIZE, THRESHOLD, claim_check, redeem
from pepperpy_bus.trace import TraceContext, active, request_span
from pepperpy_bus.trace import parse as parse_trace
from pepperpy_bus.units import format_time, now
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.services import SERVICE, STOP
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import (
    Canceled,
    DeadlineExceeded,
    Overloaded,
    PepperError,
    Unavailable,
    info_of,
)
from pepperpy_schemas.messages import ServiceReply
from pepperpy_schemas.tokens import check_token, new_id

__all__ = ["Call", "Endpoint", "Service", "call", "call_stream"]

log = get_log("pepperpy.service")

INBOX: Final = re.compile(r"_INBOX(_[A-Za-z0-9_-]+)?\.[A-Za-z0-9_.-]+")
"""The only subjects that are answered to."""

_TIMEOUT: Final = h.TIMEOUT_MS.lower()
_ID: Final = h.ID.lower()
_SMALL_REPLIES: Final = 1024


class Call(msgspec.Struct, frozen=True, dict=True):
    """What a handler may know of a request besides its body.

    Attributes:
        service: The service that was asked.
        op: The operation.
        principal: Who asks: the last token of the subject, true by permission.
        headers: The request's headers, names in lower case.
        id: The request's id when the caller gave one, by which it can cancel it.
        deadline: When the caller stops waiting, by the loop's clock; 0 when it does not say.
        received: When it came, by `time.monotonic`.
    """

    service: str
    op: str
    principal: str
    headers: Mapping[str, str]
    id: str = ""
    deadline: float = 0.0
    received: float = msgspec.field(default_factory=time.monotonic)

    @property
    def ms(self) -> float:
        """Milliseconds since it came."""
        return round((time.monotonic() - self.received) * 1e3, 3)

    @cached_property
    def trace(self) -> TraceContext:
        """The trace that the request belongs to, and the span that it was sent from."""
        return parse_trace(self.headers)

    @property
    def own_trace(self) -> TraceContext:
        """The same trace at the span of the request itself, which what it asks others is below."""
        return self.trace.at(request_span(self.id)) if self.id else self.trace.child()


Handler = Callable[[Any, Call], Awaitable[object] | AsyncIterator[object]]
"""``async def (request, call)`` that returns the answer, or an async generator that yields many."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a service.

    Attributes:
        op: Its name, a token of the subject.
        request: The type of its requests.
        reply: The type of its answers, or of each item of a streamed one.
        handler: What answers.
        doc: One sentence for those who discover it.
        probe: The type of those items of a streamed answer that ask whether the caller is still
            there; when nobody is, the answer is cancelled.
        metadata: Named values for those who discover it.
    """

    op: str
    request: Any
    reply: Any
    handler: Handler
    doc: str = ""
    probe: type | None = None
    metadata: Mapping[str, str] = {}

    @property
    def told(self) -> dict[str, str]:
        """What those read who discover it."""
        return {**({"description": self.doc} if self.doc else {}), **self.metadata}


class _Request(msgspec.Struct, frozen=True):
    """One request on its way through the service."""

    endpoint: Endpoint
    message: Message
    call: Call


class Service:
    """Serves its endpoints while its context is open; leaving it finishes what runs.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        name: The service's name, a token of its subjects.
        version: Its semantic version.
        description: One sentence.
        endpoints: Its operations.
        concurrency: Requests that run at once.
        waiting: Requests that may wait for a slot; more are refused as ``overloaded``.
        grace: Seconds that running requests get to finish at the end.
        metadata: Named values for those who discover it.
        threshold: Bytes above which an answer travels by reference.
        hide: Returns the last error's text as those may see it who discover the service.
        max_request: Returns how many bytes a request may have that travels by reference.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        name: str,
        *,
        version: str,
        description: str = "",
        endpoints: Sequence[Endpoint],
        concurrency: int = 32,
        waiting: int = 256,
        grace: float = 10.0,
        metadata: Mapping[str, str] | None = None,
        threshold: int = THRESHOLD,
        hide: Callable[[str], str] = str,
        max_request: Callable[[], int] = lambda: MAX_SIZE,
    ) -> None:
        check_token(name, what="service")
        self.name = name
        self.id = new_id()
        self._connection = connection
        self._prefix = prefix
        self._endpoints = {check_token(e.op, what="operation"): e for e in endpoints}
        self._concurrency = concurrency
        self._grace = grace
        self._threshold = threshold
        self._hide = hide
        self._max_request = max_request
        self._profile = Profile(
            name=name,
            id=self.id,
            version=version,
            description=description,
            started=format_time(now()),
            metadata=dict(metadata or {}),
            endpoints={op: (self._subject(op), e.told) for op, e in self._endpoints.items()},
        )
        self._figures = {op: Figures() for op in self._endpoints}
        self._slots = asyncio.Semaphore(concurrency)
        self._taken = self._group("requests", concurrency + waiting)
        self._notes = self._group("notes", _SMALL_REPLIES)
        self._running: dict[str, set[asyncio.Task[object]]] = {}
        self._streamed = StreamedAnswers(connection, name, self._notes)
        self._subscriptions: list[Subscription] = []
        self._in_work = 0
        self._stopping = False

    def _group(self, name: str, limit: int) -> TaskGroup:
        return TaskGroup(f"{self.name}-{name}", limit=limit, on_crash=_crashed)

    def _subject(self, op: str) -> str:
        return SERVICE.pattern(self._prefix, service=self.name, op=op)

    # --- life -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self._listen()
        except BaseException:
            await self._deafen()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def _listen(self) -> None:
        subscribe = self._connection.subscribe
        self._connection.on_disconnect.append(self._streamed.break_all)
        cancels = STOP.pattern(self._prefix)
        self._subscriptions.append(await subscribe(cancels, self._cancel, live=True))
        for op, endpoint in self._endpoints.items():
            take = partial(self._take, endpoint)
            subject = self._subject(op)
            self._subscriptions.append(await subscribe(subject, take, queue=QUEUE, live=True))
        for subject in discovery.subjects(self.name, self.id):
            self._subscriptions.append(await subscribe(subject, self._discovered, live=True))

    async def stop(self) -> None:
        """Takes no more requests, finishes those it has, and cancels what outlasts the grace."""
        if self._stopping:
            return
        self._stopping = True
        try:
            await asyncio.gather(*(each.drain() for each in self._subscriptions[1:]))
            await self._taken.drain(self._grace)
        finally:
            await self._taken.cancel()
            await self._notes.drain(1.0)
            await self._notes.cancel()
            await self._deafen()

    async def _deafen(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        await asyncio.gather(*(each.stop() for each in subscriptions))
        if self._streamed.break_all in self._connection.on_disconnect:
            self._connection.on_disconnect.remove(self._streamed.break_all)

    def statistics(self) -> dict[str, Figures]:
        """Returns what each operation has done."""
        return self._figures

    # --- taking ---------------------------------------------------------------------------------

    def _take(self, endpoint: Endpoint, message: Message) -> None:
        figures = self._figures[endpoint.op]
        figures.requests += 1
        if INBOX.fullmatch(message.reply) is None:
            figures.refused += 1
            log.warning("service.reply_refused", subject=message.subject, reply=message.reply[:200])
            return
        call = _call_of(self.name, endpoint.op, message)
        request = _Request(endpoint, message, call)
        task = self._taken.try_spawn(partial(self._work, request), name=endpoint.op)
        if task is None:
            figures.overloaded += 1
            note = partial(self._reply_error, request, self._no_room())
            self._notes.try_spawn(note, name="overloaded")
        elif call.id:
            self._running.setdefault(call.id, set()).add(task)
            task.add_done_callback(partial(self._ended, call.id))

    def _no_room(self) -> PepperError:
        if self._stopping:
            return Unavailable(f"{self.name} is stopping")
        waiting = self._taken.running - self._in_work
        return Overloaded(
            f"{self.name} has {self._in_work} requests running and {waiting} waiting",
            context={"running": self._in_work, "waiting": waiting},
        )

    def _cancel(self, message: Message) -> None:
        for task in self._running.get(message.subject.rpartition(".")[2], ()):
            task.cancel("the caller canceled it")

    def _ended(self, request_id: str, task: "asyncio.Task[object]") -> None:
        running = self._running[request_id]
        running.discard(task)
        if not running:
            del self._running[request_id]

    def _discovered(self, message: Message) -> None:
        load = {
            "running": self._in_work,
            "waiting": self._taken.running - self._in_work,
            "concurrency": self._concurrency,
        }
        said = discovery.answer(message.subject, self._profile, self._figures, load)
        if said is not None and INBOX.fullmatch(message.reply):
            publish = partial(self._connection.publish, message.reply, encode(said))
            self._notes.try_spawn(publish, name="discovery")

    # --- answering ------------------------------------------------------------------------------

    async def _work(self, request: _Request) -> None:
        """One request from its slot to its answer: whatever happens, the caller is told."""
        try:
            async with self._slots:
                self._in_work += 1
                started = time.perf_counter_ns()
                try:
                    await self._answer(request)
                finally:
                    self._in_work -= 1
                    self._figures[request.endpoint.op].nanoseconds += (
                        time.perf_counter_ns() - started
                    )
        except asyncio.CancelledError:
            stopping = Unavailable(f"{self.name} is stopping")
            await self._reply_error(request, stopping if self._stopping else Canceled())
            raise
        except Exception as error:
            if not isinstance(error, PepperError):
                log.exception("service.handler_failed", op=request.call.op, service=self.name)
            await self._reply_error(request, error)

    async def _answer(self, request: _Request) -> None:
        """Runs the handler as long as its caller waits."""
        late = DeadlineExceeded(f"{self.name}.{request.call.op} took longer than its caller waits")
        if request.call.deadline and asyncio.get_running_loop().time() >= request.call.deadline:
            raise late
        limit = asyncio.timeout_at(request.call.deadline or None)
        try:
            async with limit:
                await self._handle(request)
        except TimeoutError:
            if limit.expired():
                raise late from None
            raise

    async def _handle(self, request: _Request) -> None:
        message, call = request.message, request.call
        limit = self._max_request()
        body = await redeem(
            self._connection, self._prefix, message.body, message.headers, max_size=limit
        )
        # nats req SUBJECT '' shall do where nothing needs to be said.
        value = decode(body or b"{}", request.endpoint.request)
        with active(call.own_trace):
            answer = request.endpoint.handler(value, call)
            if isinstance(answer, AsyncIterator):
                await self._streamed.send(message.reply, answer, request.endpoint.probe)
                return
            said = encode(await answer)
        body, headers = await claim_check(
            self._connection, self._prefix, said, threshold=self._threshold
        )
        await self._connection.publish(message.reply, body, headers=headers or None)

    async def _reply_error(self, request: _Request, error: BaseException) -> None:
        info = info_of(error)
        figures = self._figures[request.endpoint.op]
        figures.errors += 1
        figures.last_error = self._hide(f"{info.code}: {info.message}")
        headers = {h.SERVICE_ERROR: _line(info.message), h.SERVICE_ERROR_CODE: info.code}
        body = encode(ServiceReply(ok=False, error=info))
        try:
            await self._connection.publish(request.message.reply, body, headers=headers)
        except PepperError as lost:
            log.warning("service.reply_lost", op=request.call.op, error=str(lost))


def _call_of(service: str, op: str, message: Message) -> Call:
    principal = message.subject.rpartition(".")[2]
    headers = message.headers
    return Call(service, op, principal, headers, headers.get(_ID, ""), _deadline_of(headers))


def _deadline_of(headers: Mapping[str, str]) -> float:
    """When the caller stops waiting, by the loop's clock; 0 when it does not say."""
    text = headers.get(_TIMEOUT, "")
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        return 0.0
    return asyncio.get_running_loop().time() + int(text) / 1000


def _line(text: str) -> str:
    return " ".join(text.split())[:500]


def _crashed(name: str, error: BaseException) -> None:
    log.error("service.crashed", task=name, exc_info=error)
