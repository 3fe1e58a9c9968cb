"""What the tests of the audit log share."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.config import load
from pepperpy_bus.opening import connect
from pepperpy_monitor_svc.audit.chaining import Chaining
from pepperpy_monitor_svc.audit.log import AuditLog
from pepperpy_schemas.audit import AuditPage, AuditQuery, ChainedRecord


class Books:
    """A deployment whose acts are chained by somebody, and its log."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.log = AuditLog(client)

    @contextlib.asynccontextmanager
    async def chaining(
        self, client: Client | None = None, key: bytes = b"", heads: Path | None = None
    ) -> AsyncIterator[None]:
        """Chains while the context is open."""
        one = Chaining(client or self.client, key=key, heads=heads)

        async def work() -> None:
            while True:
                await one.run()

        running = asyncio.create_task(work(), name="chaining")
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def having(self, count: int, query: AuditQuery | None = None) -> AuditPage:
        """The records of a query when there are so many."""
        async with asyncio.timeout(20):
            while True:
                page = await self.log.search(query or AuditQuery(limit=1000))
                if len(page.items) >= count:
                    return page
                await asyncio.sleep(0.02)

    async def records(self) -> list[ChainedRecord]:
        """Every record."""
        return [one async for one in self.log.records()]


Open = Callable[..., Awaitable[Client]]


@pytest.fixture
async def opened(prefix: str) -> AsyncIterator[Open]:
    """Opens clients of a broker; they close with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_one(broker: Broker, source: str = "tests/ana") -> Client:
            settings = load(flags={"nats.url": broker.url, "bus.prefix": prefix}).settings
            return await stack.enter_async_context(connect(settings=settings, source=source))

        yield open_one


@pytest.fixture
async def books(broker: Broker, opened: Open) -> Books:
    """The log of a deployment of the test's own."""
    return Books(await opened(broker))
