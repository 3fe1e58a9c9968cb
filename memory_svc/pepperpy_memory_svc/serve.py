"""The process of the memory service: connection, signals, registry, health checks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.installing import install
from pepperpy_bus.logs import get_log
from pepperpy_bus.process.health import serve_health
from pepperpy_bus.process.running import connected_client, loop_factory, stop_on_signals
from pepperpy_bus.registry import Vitals, describe_process, heartbeat
from pepperpy_bus.services.service import Service
from pepperpy_bus.units import now
from pepperpy_memory_svc.declared.reading import read_declaration
from pepperpy_memory_svc.language.service import NAME as LANGUAGE
from pepperpy_memory_svc.language.service import LanguageService
from pepperpy_memory_svc.offer import Offer
from pepperpy_memory_svc.remembering.analyser import Analyser, LanguageAnalyser, PlainAnalyser
from pepperpy_memory_svc.remembering.memory import NAME, Memory
from pepperpy_schemas.errors import Unreachable
from pepperpy_schemas.messages import AgentInstance, Load
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.memory")


def run(settings: Settings) -> None:
    """Serves in this process until SIGTERM or SIGINT; a second signal ends it at once.

    Raises:
        Unreachable: The broker closed the connection for good.
        BadConfig: The declaration, the store's address or the embedder's name is wrong.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(settings))


async def serve(settings: Settings, *, stop: asyncio.Event | None = None) -> None:
    """Serves until the event is set, or a signal arrives; call it in the main thread."""
    stopping = stop or asyncio.Event()
    stop_on_signals(stopping)
    read_declaration(settings.memory.declaration)  # what is wrong is said before the wait
    async with contextlib.AsyncExitStack() as stack:
        client = await connected_client(stack, settings, stopping)
        if client is None:
            return
        closed = asyncio.Event()
        client.on_close(closed.set)
        offer = await stack.enter_async_context(Offer(client, settings.memory, _analyser()))
        await stack.enter_async_context(_served(client, settings, offer, closed))
        current = await offer.parts.index.current()
        log.info(
            "memory.ready",
            store=offer.parts.kind,
            embedder=current.embedding.name,
            namespaces=sorted(offer.parts.declaration.namespaces),
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


def _has_languages() -> bool:
    return all(find_spec(name) is not None for name in ("langdetect", "nltk", "regex"))


def _analyser() -> Analyser:
    """The languages, where their packages are installed."""
    if _has_languages():
        return LanguageAnalyser()
    log.warning("memory.no_languages", hint=install("language"))
    return PlainAnalyser()


@contextlib.asynccontextmanager
async def _served(
    client: Client, settings: Settings, offer: Offer, closed: asyncio.Event
) -> AsyncIterator[None]:
    """Answers requests, tells the registry, and answers health checks."""
    replica = new_id()
    memory = Memory(offer.parts, replica=replica)
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
            log.info("memory.health", host=settings.worker.health_host, port=port)
        services = [_memory_service(client, settings, memory)]
        if _has_languages():
            language = await stack.enter_async_context(LanguageService())
            services.append(_language_service(client, settings, language))
        for service in services:
            await stack.enter_async_context(service)
        describe = _Description(services, memory, settings.memory.concurrency, replica)
        await stack.enter_async_context(heartbeat(client.registry, describe))
        yield


def _memory_service(client: Client, settings: Settings, memory: Memory) -> Service:
    return Service(
        client.connection,
        client.prefix,
        NAME,
        version=version("pepperpy"),
        description="What agents remember, found by meaning and by words.",
        endpoints=memory.endpoints(),
        concurrency=settings.memory.concurrency,
        waiting=settings.memory.waiting,
        grace=settings.memory.grace,
        threshold=settings.bus.blob_threshold,
    )


def _language_service(client: Client, settings: Settings, language: LanguageService) -> Service:
    return Service(
        client.connection,
        client.prefix,
        LANGUAGE,
        version=version("pepperpy"),
        description="Languages of texts, and their words.",
        endpoints=language.endpoints(),
        concurrency=settings.memory.concurrency,
        waiting=settings.memory.waiting,
        grace=settings.memory.grace,
        threshold=settings.bus.blob_threshold,
    )


class _Description:
    """How the registry shows this replica."""

    def __init__(
        self, services: Sequence[Service], memory: Memory, slots: int, replica: str
    ) -> None:
        self._services = services
        self._memory = memory
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
            capabilities=[f"{one.name}.{op}" for one in self._services for op in one.statistics()],
            load=self._load(),
            host=self._host,
            pid=self._pid,
            started=self._started,
            beat=now(),
        )

    def _load(self) -> Load:
        figures = [each for one in self._services for each in one.statistics().values()]
        return self._vitals.measure(
            in_flight=self._memory.running,
            slots=self._slots,
            done=sum(one.requests for one in figures),
            failed=sum(one.errors for one in figures),
        )
