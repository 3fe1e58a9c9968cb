"""A monitor that counts what happens in the deployment of a test."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.opening import connect
from pepperpy_monitor_svc.monitor import Monitor
from tests.agents.conftest import client, eventually, wait_until, working  # noqa: F401 - fixtures

Watching = Callable[..., contextlib.AbstractAsyncContextManager[Monitor]]


@pytest.fixture
def watching(broker: Broker, prefix: str) -> Watching:
    """`async with watching(server_url=…) as monitor:` gives one that counts already."""

    @contextlib.asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Monitor]:
        async with connect(broker.url, bus__prefix=prefix) as own:
            said = msgspec.structs.replace(own.settings.monitor, **settings)
            everything = msgspec.structs.replace(own.settings, monitor=said)
            async with Monitor(own, everything, replica="m1") as monitor:
                await wait_until(lambda: monitor.meters.counting, 20.0)
                yield monitor

    return start
