"""A memory service for tests that need one: pepperpy.testing has none of its own."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pepperpy import connect
from pepperpy.testing.pepper import Pepper
from pepperpy_bus.memory import Memory
from pepperpy_memory_svc.serve import opened

DECLARATION = Path(__file__).with_name("memory.toml")


@pytest.fixture
async def remembering(pepper: Pepper) -> AsyncIterator[Callable[..., Memory]]:
    """Serves the memory on the test's bus; entries lie in this process and end with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def serve(embedder: str) -> Memory:
            options = {
                "bus__prefix": pepper.prefix,
                "memory__url": "memory://",
                "memory__declaration": str(DECLARATION),
                "memory__embedder": embedder,
            }
            enter = stack.enter_async_context
            client = await enter(connect(pepper.url, source="memory", **options))
            serving = await enter(opened(client.settings, client))
            for service in serving.services:
                await enter(service)
            return pepper.client.memory

        yield serve
