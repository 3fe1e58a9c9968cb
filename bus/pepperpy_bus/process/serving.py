"""The process of a service: from its connection to its last answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib.metadata import version

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.logs import get_log
from pepperpy_bus.process.health import serve_health
from pepperpy_bus.process.reloading import hangups, reloading
from pepperpy_bus.process.running import connected_client, loop_factory, stop_on_signals
from pepperpy_bus.registry import BEAT, Vitals, describe_process, heartbeat
from pepperpy_bus.services.service import Service
from pepperpy_bus.trust.principals import ANONYMOUS, principal_of
from pepperpy_bus.units import now
from pepperpy_schemas.errors import PepperError, PermissionDenied, Unreachable
from pepperpy_schemas.messages import AgentInstance, Load

log = get_log("pepperpy.process")


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What a process serves, ready to be asked.

    Attributes:
        replica: Id of this process among those that serve the same.
        services: Its services.
        slots: Requests that run at once.
        running: Returns how many run.
        reload: Reads again what it is made of, besides the settings.
        facts: What is worth a line in the log when it begins.
        called: The process's name in the registry; by default that of the first service.
    """

    replica: str
    services: Sequence[Service]
    slots: int
    running: Callable[[], int]
    reload: Callable[[], Awaitable[None]]
    facts: Mapping[str, object]
    called: str = ""

    @property
    def name(self) -> str:
        """What the registry calls it."""
        return self.called or self.services[0].name


Opening = Callable[[Client], AbstractAsyncContextManager[Serving]]
"""Makes what is served with a client that is connected; its context ends after the last answer."""


def run(reloader: Reloader, opening: Opening) -> None:
    """Serves in this process until SIGTERM or SIGINT; a second signal ends it at once.

    SIGHUP reads the settings again, and what is served.

    Raises:
        Unreachable: The broker closed the connection for good.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(reloader, opening))


async def serve(reloader: Reloader, opening: Opening, *, stop: asyncio.Event | None = None) -> None:
    """Serves until the event is set, or a signal arrives; call it in the main thread."""
    stopping = stop or asyncio.Event()
    stop_on_signals(stopping)
    settings = reloader.settings
    async with contextlib.AsyncExitStack() as stack:
        # It may take long to be ready; what is wanted until then is read again once it is.
        wanted = stack.enter_context(hangups())
        client = await connected_client(stack, settings, stopping)
        if client is None:
            return
        closed, ready = asyncio.Event(), asyncio.Event()
        client.on_close(closed.set)
        await stack.enter_async_context(_health(client, settings, closed=closed, ready=ready))
        serving = await stack.enter_async_context(opening(client))
        await stack.enter_async_context(
            reloading(reloader, partial(_again, client, serving), wanted)
        )
        await stack.enter_async_context(_answering(client, serving))
        ready.set()
        log.info(f"{serving.name}.ready", **serving.facts, server=client.connection.server)
        await _first_of(stopping, closed)
        ready.clear()
        if closed.is_set() and not stopping.is_set():
            raise Unreachable("the broker closed the connection for good")


async def _again(client: Client, serving: Serving) -> None:
    """Reads again what is served, and says so first: somebody has changed it."""
    async with client.audit.act("reload", serving.name, instance=serving.replica):
        await serving.reload()


@contextlib.asynccontextmanager
async def _health(
    client: Client, settings: Settings, *, closed: asyncio.Event, ready: asyncio.Event
) -> AsyncIterator[None]:
    """Answers health checks where that is wanted, also while what runs is finished."""
    host, port = settings.worker.health_host, settings.worker.health_port
    if port is None:
        yield
        return
    async with serve_health(
        host,
        port,
        live=lambda: not closed.is_set(),
        ready=lambda: ready.is_set() and client.connection.connected,
    ) as taken:
        log.info("process.health", host=host, port=taken)
        yield


@contextlib.asynccontextmanager
async def _answering(client: Client, serving: Serving) -> AsyncIterator[None]:
    """Answers requests, and tells the registry."""
    async with contextlib.AsyncExitStack() as stack:
        for service in serving.services:
            await stack.enter_async_context(service)
        description = _Description(serving)
        await _seen(client, description)
        await stack.enter_async_context(heartbeat(client.registry, description))
        yield


async def _seen(client: Client, description: "_Description") -> None:
    """Refuses to serve unseen without a login: it was forgotten, or its stack is only starting.

    Raises:
        PermissionDenied: The broker lets nobody in particular write there.
    """
    if principal_of(client.connection.options.inbox_prefix) != ANONYMOUS:
        return
    try:
        async with asyncio.timeout(BEAT):
            await client.registry.beat(description())
    except PermissionDenied:
        raise
    except (PepperError, TimeoutError) as error:
        log.debug("process.not_seen_yet", error=str(error))


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait(), name="wait-end") for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


class _Description:
    """How the registry shows this process."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._vitals = Vitals()
        self._host, self._pid, self._started = describe_process()

    def __call__(self) -> AgentInstance:
        services = self._serving.services
        return AgentInstance(
            agent=self._serving.name,
            instance=self._serving.replica,
            version=version("pepperpy"),
            state="RUNNING",
            topics=[],
            capabilities=[f"{one.name}.{op}" for one in services for op in one.statistics()],
            load=self._load(),
            host=self._host,
            pid=self._pid,
            started=self._started,
            beat=now(),
        )

    def _load(self) -> Load:
        figures = [each for one in self._serving.services for each in one.statistics().values()]
        return self._vitals.measure(
            in_flight=self._serving.running(),
            slots=self._serving.slots,
            done=sum(one.requests for one in figures),
            failed=sum(one.errors for one in figures),
        )
