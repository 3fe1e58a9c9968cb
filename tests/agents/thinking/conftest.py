"""What the tests of agents that think share: a real provider service, whose model has a plan."""

from collections.abc import AsyncIterator

import pytest

from tests.provider_svc.asking import Planned
from tests.provider_svc.gateway.conftest import Serving, planned, serving  # noqa: F401 - a fixture


@pytest.fixture
async def model(serving: Serving) -> AsyncIterator[Planned]:  # noqa: F811 - the fixture
    """What the model is asked; a test writes its plan."""
    async with serving() as offer:
        yield planned(offer)
