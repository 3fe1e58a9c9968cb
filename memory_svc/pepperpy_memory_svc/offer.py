"""What the service offers: its parts, made of the settings, and what runs beside the requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime
from typing import Final, Self

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.config.values import MemorySettings
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_memory_svc.declared.models import Declaration
from pepperpy_memory_svc.declared.reading import read_declaration
from pepperpy_memory_svc.embedding.batching import BatchedEmbedder
from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.embedding.named import named_embedder
from pepperpy_memory_svc.remembering.analyser import Analyser
from pepperpy_memory_svc.remembering.index import Index
from pepperpy_memory_svc.remembering.parts import Parts
from pepperpy_memory_svc.remembering.treatments import PLAIN
from pepperpy_memory_svc.stores.opening import open_store
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.memory_ingest import MAX_FILE
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.memory")

UNSET: Final = "memory://"
"""Where entries are when no address is set."""

_PURGED: Final = 10_000
_AGAIN: Final = 5.0
"""Seconds after which the words of all entries are tried again."""


class Offer:
    """The parts in force, while its context is open.

    Args:
        client: The connected client.
        settings: The settings.
        analyser: What turns texts into words.

    Attributes:
        parts: The parts in force.
    """

    parts: Parts
    _preparing: "asyncio.Task[None]"

    def __init__(self, client: Client, settings: MemorySettings, analyser: Analyser) -> None:
        self._client = client
        self._settings = settings
        self._analyser = analyser
        self._stack = contextlib.AsyncExitStack()
        self._embedders: dict[str, BatchedEmbedder[Embedder]] = {}
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def reload(self) -> None:
        """Reads the declaration again; requests that run end with the old one.

        Where words are made otherwise now, those of all entries are made anew, while searches go
        on with the old ones.

        Raises:
            BadConfig: Something is wrong in it; everything stays as it was.
        """
        declaration = read_declaration(self._settings.declaration)
        index = self._index(self.parts.store, declaration)
        before = self.parts.declaration
        self.parts = msgspec.structs.replace(self.parts, declaration=declaration, index=index)
        # What is made by the old declaration must not end after this.
        self._preparing.cancel()
        await asyncio.gather(self._preparing, return_exceptions=True)
        await index.prepare(self.parts.clock, back=True)
        log.info(
            "memory.reloaded",
            namespaces=sorted(declaration.namespaces),
            before=sorted(before.namespaces),
        )

    async def _open(self) -> None:
        declaration = read_declaration(self._settings.declaration)
        url = self._settings.url.get_secret_value() or UNSET
        connection, prefix = self._client.connection, self._client.prefix
        enter = self._stack.enter_async_context
        clock = ServerClock(connection, prefix)
        await enter(clock.running())
        store = await enter(open_store(url))
        emitter = await enter(Emitter(connection, prefix))
        index = self._index(store, declaration)
        self.parts = Parts(
            declaration=declaration,
            store=store,
            kind=url.partition(":")[0],
            index=index,
            emitter=emitter,
            blobs=Blobs(connection, prefix, max_size=MAX_FILE),
            clock=clock.now,
        )
        self._preparing = await enter(_beside(_prepared(index, clock), "words-anew"))
        await enter(_beside(_purging(store, emitter, clock, self._settings.purge), "purge"))

    def _index(self, store: Store, declaration: Declaration) -> Index:
        return Index(
            store,
            self._embedder,
            self._analyser,
            spec=self._settings.embedder,
            declaration=declaration,
        )

    async def _embedder(self, spec: str) -> BatchedEmbedder[Embedder]:
        """The embedder that settings name so, open from the first time to the end."""
        async with self._opening:
            known = self._embedders.get(spec)
            if known is None:
                made = named_embedder(spec, lambda: self._client.llm)
                known = BatchedEmbedder(made, cache_bytes=self._settings.cache)
                await self._stack.enter_async_context(known)
                self._embedders[spec] = known
            return known


@contextlib.asynccontextmanager
async def _beside(
    work: Coroutine[None, None, None], name: str
) -> AsyncIterator["asyncio.Task[None]"]:
    """Works beside the requests, until the end of the context."""
    running = asyncio.create_task(work, name=name)
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _prepared(index: Index, clock: ServerClock) -> None:
    """Has the words made as they are declared; what fails is tried again.

    What finds words takes a second to load: that is done before the first question.
    """
    while True:
        try:
            await asyncio.to_thread(index.words.of, PLAIN, "ready", "")
            await index.prepare(clock.now)
            return await index.complete(clock.now)
        except Exception as error:
            log.warning("memory.words_failed", reason=str(error), retry=_AGAIN)
        await asyncio.sleep(_AGAIN)


async def _purging(store: Store, emitter: Emitter, clock: ServerClock, every: float) -> None:
    """Removes what is expired from time to time, and tells how much that was."""
    while True:
        await asyncio.sleep(every)
        try:
            await purge(store, emitter, clock.now())
        except Exception as error:
            # Whatever it was: without this nothing would be removed ever again.
            log.warning("memory.purge_failed", reason=str(error))


async def purge(store: Store, emitter: Emitter, now: datetime) -> int:
    """Removes all entries that are expired, and tells how many there were.

    Args:
        store: The store.
        emitter: Tells it.
        now: The time that entries expire by.
    """
    gone = 0
    while removed := await store.purge(now=now, limit=_PURGED):
        gone += removed
    if gone:
        await emitter.emit("memory", "expired", scope="all", id=new_id(), data={"count": gone})
    return gone
