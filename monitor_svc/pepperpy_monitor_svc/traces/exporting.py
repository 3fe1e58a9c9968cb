"""Sending traces: the spans of each task at its end, those of services as they are told.

Every span has the id that follows from what it stands for, so that tasks of one family may be sent
one by one, by whichever monitor leads, and a second time after a restart: a receiver makes one
trace of them.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Self

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.events import Heard
from pepperpy_bus.logs import get_log
from pepperpy_bus.tasks.evidence import Evidence
from pepperpy_bus.trace import TraceContext
from pepperpy_bus.tracing.call_spans import call_span, is_call, trace_of
from pepperpy_bus.tracing.hops import follow_hops
from pepperpy_bus.tracing.otlp import exporter, hand_over
from pepperpy_bus.tracing.spans import Span
from pepperpy_monitor_svc.fleet.record import ENDS
from pepperpy_monitor_svc.loops import looping
from pepperpy_monitor_svc.traces.recent import Recent
from pepperpy_monitor_svc.traces.telling import spans_at_end
from pepperpy_schemas.errors import NotFound, PepperError, PermissionDenied, Unavailable

log = get_log("pepperpy.monitor")

SETTLES: Final = 2.0
"""Seconds after its end in which the last that is told of a task is there to be read."""
LATEST: Final = 300.0
"""Seconds after which an event is history, which another monitor has sent."""
MOST_TASKS: Final = 20_000
"""Ended tasks that wait to be read; more are dropped, and counted."""
MOST_SPANS: Final = 20_000
"""Spans that wait to be sent; more are dropped, and counted."""
LAST_WORD: Final = 2.0
"""Seconds that the end takes to send what is left."""

_READERS: Final = 4
_BATCH: Final = 512
_PAUSE: Final = 0.5
_NO_HOPS: Final = 60.0


class TraceCounts(msgspec.Struct):
    """What became of spans.

    Attributes:
        sent: Spans that the receiver took.
        refused: Spans that it did not take.
        dropped: Tasks and spans that there was no room for.
    """

    sent: int = 0
    refused: int = 0
    dropped: int = 0


class TraceExport:
    """Sends traces while its context is open; to be told what the fleet takes in.

    Args:
        client: The client.
        endpoint: The receiver, such as ``http://127.0.0.1:4318``.
        share: Share of the traces that is sent, by their ids: always whole traces.
        leads: Whether this monitor is the one that sends.
        settles: Seconds after a task's end when it is read.

    Attributes:
        counts: What became of spans.
    """

    def __init__(
        self,
        client: Client,
        endpoint: str,
        *,
        share: float = 1.0,
        leads: Callable[[], bool] = lambda: True,
        settles: float = SETTLES,
    ) -> None:
        self._client = client
        self._exporter = exporter(endpoint)
        self._share = share
        self._leads = leads
        self._settles = settles
        self._ended: deque[tuple[float, Heard]] = deque()
        self._told, self._calls = Recent(), Recent()
        self._spans: deque[Span] = deque()
        self._taken = True
        self._stack = contextlib.AsyncExitStack()
        self.counts = TraceCounts()

    async def __aenter__(self) -> Self:
        works = {f"traces-read-{n}": self._read for n in range(_READERS)}
        works["traces-hops"] = self._hops
        await self._stack.enter_async_context(looping(works | {"traces-send": self._send}))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD):
                await self._hand_over(list(self._spans))
        await asyncio.to_thread(self._exporter.shutdown)

    def __call__(self, _kind: str, of: object) -> None:
        """Takes what the fleet has taken in: for its ``on_change``."""
        if not isinstance(of, Heard) or not self._leads():
            return
        if of.event.ts.timestamp() < time.time() - LATEST:
            return
        context = trace_of(of.event.trace)
        if context is not None and not self._wanted(context):
            return
        if is_call(of):
            if context is not None:
                self._calls.add(context.trace_id, of)
                self._keep([call_span(of)])
            return
        self._told.add(of.id, of)
        if of.entity == "task" and of.verb in ENDS:
            self._end(of)

    def _end(self, of: Heard) -> None:
        if len(self._ended) >= MOST_TASKS:
            self.counts.dropped += 1
        else:
            self._ended.append((time.monotonic() + self._settles, of))

    async def _read(self) -> None:
        """Reads the next task that has settled."""
        if not self._ended or self._ended[0][0] > time.monotonic():
            await asyncio.sleep(_PAUSE / 2)
            return
        _, end = self._ended.popleft()
        told = self._told.of(end.id)
        self._told.forget(end.id)
        context = Evidence(task_id=end.id, events=told).trace
        if not self._wanted(context):
            return
        calls = self._calls.of(context.trace_id)
        try:
            self._keep(await spans_at_end(self._client, end, told, calls))
        except PepperError as error:
            log.debug("traces.not_read", task_id=end.id, error=str(error))

    async def _hops(self) -> None:
        """Takes what the broker tells of traces, where it does."""
        try:
            async for span in follow_hops(self._client.connection, self._client.prefix):
                if self._leads():
                    self._keep([span])
        except (NotFound, PermissionDenied):
            await asyncio.sleep(_NO_HOPS)

    def _keep(self, spans: Iterable[Span]) -> None:
        for one in spans:
            if not one.sampled or not self._chosen(one.trace_id):
                continue
            if len(self._spans) >= MOST_SPANS:
                self.counts.dropped += 1
            else:
                self._spans.append(one)

    def _wanted(self, context: TraceContext) -> bool:
        return context.sampled and self._chosen(context.trace_id)

    def _chosen(self, trace_id: str) -> bool:
        """Whether a trace is among those that are sent: by the random part of its id."""
        return self._share >= 1 or int(trace_id[-14:], 16) < self._share * (1 << 56)

    async def _send(self) -> None:
        batch = [self._spans.popleft() for _ in range(min(_BATCH, len(self._spans)))]
        await self._hand_over(batch)
        if len(self._spans) < _BATCH:
            await asyncio.sleep(_PAUSE)

    async def _hand_over(self, batch: list[Span]) -> None:
        if not batch:
            return
        try:
            self.counts.sent += await hand_over(self._exporter, batch)
            self._taken = True
        except Unavailable as error:
            self.counts.refused += len(batch)
            if self._taken:
                log.warning("traces.not_taken", spans=len(batch), error=str(error))
            self._taken = False
