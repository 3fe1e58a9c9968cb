"""The process of the memory service: what it serves, and what it is made of."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.config.values import DetectorName
from pepperpy_bus.installing import install
from pepperpy_bus.logs import get_log
from pepperpy_bus.process import serving
from pepperpy_bus.process.serving import Serving
from pepperpy_bus.services.service import Endpoint, Service
from pepperpy_memory_svc.declared.reading import read_declaration
from pepperpy_memory_svc.language.service import NAME as LANGUAGE
from pepperpy_memory_svc.language.service import LanguageService
from pepperpy_memory_svc.offer import Offer
from pepperpy_memory_svc.remembering.analyser import Analyser, LanguageAnalyser, PlainAnalyser
from pepperpy_memory_svc.remembering.memory import NAME, Memory
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.memory")


def run(reloader: Reloader) -> None:
    """Serves in this process until SIGTERM or SIGINT; a second signal ends it at once.

    SIGHUP reads settings and declaration again; another file of a declaration needs a restart.

    Raises:
        Unreachable: The broker closed the connection for good.
        BadConfig: The declaration, the store's address or the embedder's name is wrong.
    """
    # What is wrong in it is said before the wait for the broker.
    read_declaration(reloader.settings.memory.declaration)
    serving.run(reloader, partial(opened, reloader.settings))


@contextlib.asynccontextmanager
async def opened(settings: Settings, client: Client) -> AsyncIterator[Serving]:
    """What this process serves, while its context is open."""
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        offer = await enter(Offer(client, settings.memory, _analyser(settings.memory.detector)))
        replica = new_id()
        memory = Memory(lambda: offer.parts, replica=replica)
        services = [_service(client, settings, NAME, memory.endpoints())]
        if _has_languages():
            language = await enter(LanguageService(detector=settings.memory.detector))
            services.append(_service(client, settings, LANGUAGE, language.endpoints()))
        current = await offer.parts.index.current()
        yield Serving(
            replica=replica,
            services=services,
            slots=settings.memory.concurrency,
            running=lambda: memory.running,
            reload=offer.reload,
            facts={
                "store": offer.parts.kind,
                "embedder": current.embedding.name,
                "namespaces": sorted(offer.parts.declaration.namespaces),
            },
        )


def _has_languages() -> bool:
    return all(find_spec(name) is not None for name in ("langdetect", "nltk", "regex"))


def _analyser(detector: DetectorName) -> Analyser:
    """The languages, where their packages are installed."""
    if _has_languages():
        return LanguageAnalyser(detector)
    log.warning("memory.no_languages", hint=install("language"))
    return PlainAnalyser()


_SAID = {
    NAME: "What agents remember, found by meaning and by words.",
    LANGUAGE: "Languages of texts, and their words.",
}


def _service(
    client: Client, settings: Settings, name: str, endpoints: Sequence[Endpoint]
) -> Service:
    memory = settings.memory
    return Service(
        client.connection,
        client.prefix,
        name,
        version=version("pepperpy"),
        description=_SAID[name],
        endpoints=endpoints,
        concurrency=memory.concurrency,
        waiting=memory.waiting,
        grace=memory.grace,
        threshold=settings.bus.blob_threshold,
    )
