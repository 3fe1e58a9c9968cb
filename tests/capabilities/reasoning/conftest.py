"""What the tests of the stock agent share: a client of a deployment of its own."""

from collections.abc import AsyncIterator

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from tests.worker_processes import workers  # noqa: F401 - a fixture


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    async with connect(broker.url, bus__prefix=prefix) as own:
        yield own
