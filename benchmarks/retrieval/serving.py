"""A memory service for a benchmark: its own parts and the bus, with an embedder of our choice."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.brokers import nats_server
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.memory import Memory as Remembered
from pepperpy_bus.opening import connect
from pepperpy_bus.services.service import Service
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_memory_svc.declared.models import EVERYBODY, Declaration, Namespace
from pepperpy_memory_svc.embedding.batching import BatchedEmbedder
from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.remembering.access import Place, place
from pepperpy_memory_svc.remembering.analyser import LanguageAnalyser
from pepperpy_memory_svc.remembering.index import Index
from pepperpy_memory_svc.remembering.memory import NAME, Memory
from pepperpy_memory_svc.remembering.parts import Parts
from pepperpy_memory_svc.stores.store import Store

Embedders = Callable[[str], Awaitable[BatchedEmbedder[Embedder]]]
PRINCIPAL = "operator"
"""Who asks: only the operator may re-index."""


@dataclass(frozen=True)
class Served:
    """A memory service that answers.

    Attributes:
        parts: What it answers with; to go around the bus.
        memory: The memory as callers use it, over the bus.
    """

    parts: Parts
    memory: Remembered

    def place(self, namespace: str) -> Place:
        """Returns a namespace as the service sees it."""
        return place(self.parts.declaration, PRINCIPAL, namespace)


@asynccontextmanager
async def serving(
    store: Store, embedders: Embedders, spec: str, namespaces: Mapping[str, str]
) -> AsyncIterator[Served]:
    """Serves over a nats-server of its own.

    Args:
        store: The store, open.
        embedders: Gives an open embedder by its name.
        spec: The name of the first one.
        namespaces: The main language of every namespace, by its name.
    """
    declaration = Declaration(
        namespaces={
            name: Namespace.model_validate({"principals": (EVERYBODY,), "main": lang})
            for name, lang in namespaces.items()
        }
    )
    index = Index(store, embedders, LanguageAnalyser(), spec=spec, declaration=declaration)
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(nats_server())
        client = await stack.enter_async_context(connect(broker.url))
        emitter = await stack.enter_async_context(Emitter(client.connection, client.prefix))
        await index.prepare(_now)
        parts = Parts(
            declaration=declaration,
            store=store,
            kind="bench",
            index=index,
            emitter=emitter,
            blobs=Blobs(client.connection, client.prefix),
            clock=_now,
        )
        await stack.enter_async_context(_service(client, parts))
        yield Served(parts, Remembered(client.connection, client.prefix, PRINCIPAL))


def _service(client: Client, parts: Parts) -> Service:
    endpoints = Memory(lambda: parts, replica="bench").endpoints()
    return Service(client.connection, client.prefix, NAME, version="1.0.0", endpoints=endpoints)


def _now() -> datetime:
    return datetime.now(UTC)
