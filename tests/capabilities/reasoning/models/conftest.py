"""What the tests of models share: a provider service whose models are a mock of OpenAI's server."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from llmock.pytest_plugin import LLMock

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from tests.capabilities.reasoning.models.saying import DECLARATION
from tests.provider_svc.gateway.conftest import Serving, serving  # noqa: F401 - a fixture
from tests.worker_processes import workers  # noqa: F401 - a fixture

Served = Callable[[], AbstractAsyncContextManager[Client]]


@pytest.fixture
def served(
    broker: Broker,
    prefix: str,
    serving: Serving,  # noqa: F811 - the fixture
    llmock: LLMock,
) -> Served:
    """`async with served() as client:` is a client of a bus with models."""

    @contextlib.asynccontextmanager
    async def serve() -> AsyncIterator[Client]:
        declaration = DECLARATION.format(url=llmock.base_url("openai"))
        async with (
            serving(declaration=declaration, environ={"MOCK_KEY": "k"}),
            connect(broker.url, bus__prefix=prefix) as client,
        ):
            yield client

    return serve
