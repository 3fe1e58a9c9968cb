"""A memory service of a test's own, in this process, with a clock that the test moves."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.config.values import MemorySettings, Secret
from pepperpy_bus.memory import Memory as Remembered
from pepperpy_bus.opening import connect
from pepperpy_bus.services.service import Service
from pepperpy_memory_svc.offer import Offer
from pepperpy_memory_svc.remembering.analyser import Analyser, PlainAnalyser
from pepperpy_memory_svc.remembering.memory import NAME, Memory
from tests.agents.conftest import eventually  # noqa: F401 - a fixture

DECLARED = """
[namespaces.ana]
principals = ["ana"]
vouchers = ["ana"]
main = "de"

[namespaces.bob]
principals = ["bob"]

[namespaces.common]
principals = ["*"]

[namespaces.common.limits]
text = "64KiB"
metadata = "1KiB"
"""

As = Callable[[str], Remembered]
Serving = Callable[..., AbstractAsyncContextManager[Offer]]


class Clock:
    """The time of a test."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def serving(broker: Broker, prefix: str, tmp_path: Path, clock: Clock) -> Serving:
    """`async with serving() as offer:` serves the namespaces above."""

    @contextlib.asynccontextmanager
    async def serve(
        declaration: str = DECLARED,
        *,
        url: str = "memory://",
        embedder: str = "hashing:64",
        analyser: Analyser | None = None,
        purge: float = 3600.0,
    ) -> AsyncIterator[Offer]:
        path = tmp_path / "memory.toml"
        path.write_text(declaration)
        settings = MemorySettings(
            url=Secret(url),
            declaration=path,
            embedder=embedder,
            cache=1_000_000,
            purge=purge,
            concurrency=16,
            waiting=64,
            grace=1.0,
        )
        async with (
            connect(broker.url, bus__prefix=prefix) as client,
            Offer(client, settings, analyser or PlainAnalyser()) as offer,
        ):
            offer.parts = msgspec.structs.replace(offer.parts, clock=clock)
            memory = Memory(lambda: offer.parts, replica="r1")
            async with Service(
                client.connection,
                prefix,
                NAME,
                version="1.0.0",
                endpoints=memory.endpoints(),
            ):
                yield offer

    return serve


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    """A client of the bus."""
    async with connect(broker.url, bus__prefix=prefix) as one:
        yield one


@pytest.fixture
def by(client: Client, prefix: str) -> As:
    """The memory as a principal uses it."""
    return lambda principal: Remembered(client.connection, prefix, principal)


@pytest.fixture
async def ana(by: As, serving: Serving) -> AsyncIterator[Remembered]:
    """The memory as ana uses it, served."""
    async with serving():
        yield by("ana")
