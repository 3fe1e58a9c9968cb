from collections.abc import AsyncIterator

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
import pytest_asyncio

from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_memory_svc.stores.memory import MemoryStore
from pepperpy_memory_svc.stores.postgres import PostgresStore
from pepperpy_memory_svc.stores.store import Store
from tests.memory_svc.stores.making import Filled, filled, fresh, server_folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[str]:
    """One PostgreSQL for all tests; isolate with a schema, never kill it."""
    with server_folder() as folder:
        async with EmbeddedPostgres(folder, settings={"fsync": "off"}) as server:
            yield server.url


@pytest_asyncio.fixture
async def schema(postgres: str) -> AsyncIterator[str]:
    """A schema that no other test uses, in the shared server."""
    name = f"t{fresh()[:16]}"
    yield name
    connection = await asyncpg.connect(postgres)
    await connection.execute(
        f"SET client_min_messages = warning; DROP SCHEMA IF EXISTS {name} CASCADE"
    )
    await connection.close()


@pytest.fixture(params=["memory", "postgres"])
def closed_store(request: pytest.FixtureRequest) -> Store:
    """Each of the stores, empty and not open."""
    if request.param == "memory":
        return MemoryStore()
    # The server is wanted by this store alone.
    url, schema = request.getfixturevalue("postgres"), request.getfixturevalue("schema")
    return PostgresStore(url, schema=schema)


@pytest_asyncio.fixture
async def store(closed_store: Store) -> AsyncIterator[Store]:
    """Each of the stores, empty."""
    async with closed_store:
        yield closed_store


@pytest_asyncio.fixture
async def memory(store: Store) -> Filled:
    """A store with an embedder and an analyser."""
    return await filled(store)
