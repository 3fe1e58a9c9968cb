"""What the tests of snapshots share."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.config import load
from pepperpy_bus.opening import connect
from pepperpy_bus.units import now
from pepperpy_monitor_svc.monitor import Monitor
from pepperpy_monitor_svc.snapshots.snapshots import Snapshots

Watching = Callable[..., Awaitable[Monitor]]


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    """A client of a deployment of the test's own."""
    settings = load(flags={"nats.url": broker.url, "bus.prefix": prefix}).settings
    async with connect(settings=settings, source="tests/ana") as one:
        yield one


@pytest.fixture
async def watching(client: Client) -> AsyncIterator[Watching]:
    """Starts monitors of the deployment; they end with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**changes: object) -> Monitor:
            of = msgspec.structs.replace(
                client.settings.monitor, **{"snapshot_every": 0.0} | changes
            )
            settings = msgspec.structs.replace(client.settings, monitor=of)
            return await stack.enter_async_context(Monitor(client, settings, replica="m1"))

        yield start


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = now()

    def __call__(self) -> datetime:
        return self.now


def snapshots_of(monitor: Monitor, clock: Clock) -> Snapshots:
    """The snapshots of a monitor, taken at the times of a clock."""
    return Snapshots(monitor, clock=clock)
