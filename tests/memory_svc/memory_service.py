"""A memory service in memory, for tests of those that use it."""

import contextlib
from collections.abc import AsyncIterator

from pepperpy_bus.config.values import MemorySettings, Secret
from pepperpy_bus.opening import connect
from pepperpy_bus.services.service import Service
from pepperpy_memory_svc.offer import Offer
from pepperpy_memory_svc.remembering.analyser import Analyser, PlainAnalyser
from pepperpy_memory_svc.remembering.memory import NAME, Memory

SETTINGS = MemorySettings(
    url=Secret("memory://"),
    declaration=None,
    embedder="hashing:64",
    cache=1_000_000,
    purge=3600.0,
    concurrency=16,
    waiting=64,
    grace=1.0,
)


@contextlib.asynccontextmanager
async def remembering(
    url: str,
    prefix: str,
    settings: MemorySettings = SETTINGS,
    analyser: Analyser | None = None,
) -> AsyncIterator[Offer]:
    """Serves the namespace `main` for everybody, or those that settings declare."""
    async with (
        connect(url, bus__prefix=prefix) as own,
        Offer(own, settings, analyser or PlainAnalyser()) as offer,
    ):
        endpoints = Memory(lambda: offer.parts, replica="r1").endpoints()
        async with Service(own.connection, prefix, NAME, version="1.0.0", endpoints=endpoints):
            await own.connection.flush()
            yield offer
