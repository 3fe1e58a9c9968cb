"""The process of the provider service: connection, signals, registry, health checks."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.logs import configure, get_log
from pepperpy_bus.process.health import serve_health
from pepperpy_bus.process.running import connected_client, loop_factory, stop_on_signals
from pepperpy_bus.registry import Vitals, describe_process, heartbeat
from pepperpy_bus.services.service import Service
from pepperpy_bus.units import now
from pepperpy_provider_svc.declared.reading import read_declaration
from pepperpy_provider_svc.gateway.gateway import NAME, Gateway
from pepperpy_provider_svc.offer import Offer
from pepperpy_schemas.errors import PepperError, Unreachable
from pepperpy_schemas.messages import AgentInstance, Load
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.provider")

_CHATTY = ("httpx2", "httpcore2", "openai", "anthropic")
"""Libraries that log every request at the level of what matters."""


def run(reloader: Reloader) -> None:
    """Serves in this process until SIGTERM or SIGINT; a second signal ends it at once.

    SIGHUP reads settings, declaration and keys again.

    Raises:
        Unreachable: The broker closed the connection for good.
        BadConfig: The declaration is wrong, or a key is not where it says.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(reloader))


async def serve(
    reloader: Reloader,
    *,
    stop: asyncio.Event | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Serves until the event is set, or a signal arrives; call it in the main thread."""
    stopping = stop or asyncio.Event()
    stop_on_signals(stopping)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = reloader.settings
    path = settings.provider.declaration
    read_declaration(path, environ)  # what is wrong in it is said before the wait for the broker
    async with contextlib.AsyncExitStack() as stack:
        client = await connected_client(stack, settings, stopping)
        if client is None:
            return
        closed = asyncio.Event()
        client.on_close(closed.set)
        offer = await stack.enter_async_context(Offer(client, path, environ))
        await stack.enter_async_context(_reloading(reloader, offer))
        await stack.enter_async_context(_served(client, settings, offer, closed))
        log.info(
            "provider.ready",
            models=sorted(offer.parts.declaration.models),
            providers=sorted(offer.parts.declaration.providers),
            server=client.connection.server,
        )
        waits = [
            asyncio.create_task(stopping.wait(), name="wait-stop"),
            asyncio.create_task(closed.wait(), name="wait-closed"),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if closed.is_set() and not stopping.is_set():
            raise Unreachable("the broker closed the connection for good")


@contextlib.asynccontextmanager
async def _served(
    client: Client, settings: Settings, offer: Offer, closed: asyncio.Event
) -> AsyncIterator[None]:
    """Answers requests, tells the registry, and answers health checks."""
    provider = settings.provider
    replica = new_id()
    gateway = Gateway(lambda: offer.parts, replica=replica)
    service = Service(
        client.connection,
        client.prefix,
        NAME,
        version=version("pepperpy"),
        description="Language models behind one gateway.",
        endpoints=gateway.endpoints(),
        concurrency=provider.concurrency,
        waiting=provider.waiting,
        grace=provider.grace,
        threshold=settings.bus.blob_threshold,
        hide=offer.hide,
        max_request=lambda: offer.parts.declaration.guards.max_request,
    )
    async with contextlib.AsyncExitStack() as stack:
        if settings.worker.health_port is not None:
            port = await stack.enter_async_context(
                serve_health(
                    settings.worker.health_host,
                    settings.worker.health_port,
                    live=lambda: not closed.is_set(),
                    ready=lambda: client.connection.connected,
                )
            )
            log.info("provider.health", host=settings.worker.health_host, port=port)
        await stack.enter_async_context(service)
        describe = _Description(service, gateway, provider.concurrency, replica)
        await stack.enter_async_context(heartbeat(client.registry, describe))
        yield


class _Description:
    """How the registry shows this replica."""

    def __init__(self, service: Service, gateway: Gateway, slots: int, replica: str) -> None:
        self._service = service
        self._gateway = gateway
        self._slots = slots
        self._replica = replica
        self._vitals = Vitals()
        self._host, self._pid, self._started = describe_process()

    def __call__(self) -> AgentInstance:
        return AgentInstance(
            agent=NAME,
            instance=self._replica,
            version=version("pepperpy"),
            state="RUNNING",
            topics=[],
            capabilities=[f"{NAME}.{op}" for op in self._service.statistics()],
            load=self._load(),
            host=self._host,
            pid=self._pid,
            started=self._started,
            beat=now(),
        )

    def _load(self) -> Load:
        figures = self._service.statistics().values()
        return self._vitals.measure(
            in_flight=self._gateway.running,
            slots=self._slots,
            done=sum(one.requests for one in figures),
            failed=sum(one.errors for one in figures),
        )


@contextlib.asynccontextmanager
async def _reloading(reloader: Reloader, offer: Offer) -> AsyncIterator[None]:
    """Reads settings, declaration and keys again at every SIGHUP."""
    loop = asyncio.get_running_loop()
    wanted = asyncio.Event()

    async def work() -> None:
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                reloader.reload()
                configure(reloader.settings.log.level, reloader.settings.log.format)
                await offer.reload()
            except PepperError as error:
                log.error("provider.reload_refused", reason=error.message, hint=error.hint)
            except Exception:
                # Whatever it is, the next SIGHUP must find somebody who listens.
                log.exception("provider.reload_failed")

    reloading = asyncio.create_task(work(), name="reload")
    loop.add_signal_handler(signal.SIGHUP, wanted.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        reloading.cancel()
        await asyncio.gather(reloading, return_exceptions=True)
