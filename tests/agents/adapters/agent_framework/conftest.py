"""The tests of Agent Framework run in an environment of their own: see `test_frameworks.py`."""

import gc
from collections.abc import AsyncIterator
from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("agent_framework") else ["test_*.py"]


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    """Closes the connections of a test's models: who owns an agent of theirs has no way to."""
    from openai import AsyncOpenAI

    yield
    for one in gc.get_objects():
        if isinstance(one, AsyncOpenAI):
            await one.close()
