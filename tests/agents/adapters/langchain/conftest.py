"""What the tests of the adapters of LangChain share: a provider service whose model has a plan."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from pepperpy_bus.config.values import Secret
from pepperpy_bus.llm import Assembling
from pepperpy_provider_svc.upstreams.upstream import Completion
from pepperpy_schemas.chat import ChatRequest, Usage
from pepperpy_schemas.errors import StreamBroken
from tests.provider_svc.asking import Planned
from tests.provider_svc.gateway.conftest import Serving, serving  # noqa: F401 - a fixture


class PlannedWhole(Planned):
    """One whose whole answers say all that its streamed ones say: calls and usage, too."""

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        answer, usage = Assembling(), Usage()
        async with aclosing(self.stream(model, request, key)) as chunks:
            async for chunk in chunks:
                answer.grow(chunk)
                usage = chunk.usage or usage
                if chunk.finish is not None:
                    return Completion(message=answer.message, finish=chunk.finish, usage=usage)
        raise StreamBroken


@pytest.fixture
async def model(serving: Serving) -> AsyncIterator[Planned]:  # noqa: F811 - the fixture
    """What the model is asked; a test writes its plan."""
    async with serving() as offer:
        upstream = PlannedWhole()
        offer.parts.router._upstreams["script"] = upstream  # type: ignore[index] # it is a dict
        yield upstream
