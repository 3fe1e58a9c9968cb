"""What the learning tests share: a client whose streams are there."""

from collections.abc import AsyncIterator

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from tests.worker_processes import workers  # noqa: F401 - a fixture


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    """A client of a deployment of its own, with its streams."""
    async with connect(broker.url, bus__prefix=prefix) as own:
        yield own
