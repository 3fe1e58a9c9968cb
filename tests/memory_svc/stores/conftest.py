from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
import pytest_asyncio

from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_memory_svc.stores.memory import MemoryStore
from pepperpy_memory_svc.stores.postgres import PostgresStore
from pepperpy_memory_svc.stores.qdrant import ClientEngine, Limits, QdrantStore
from pepperpy_memory_svc.stores.qdrant.addressing import qdrant_store
from pepperpy_memory_svc.stores.qdrant.edge import EdgeEngine
from pepperpy_memory_svc.stores.redis import RedisStore
from pepperpy_memory_svc.stores.store import Store
from tests.memory_svc.stores.making import Filled, filled, fresh, server_folder
from tests.memory_svc.stores.qdrant.server import QdrantServer
from tests.memory_svc.stores.redis.server import RedisServer


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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis() -> AsyncIterator[str]:
    """One Redis for all tests; isolate with a prefix, never kill it."""
    with server_folder() as folder:
        async with RedisServer(folder) as server:
            yield server.url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def qdrant_server() -> AsyncIterator[str]:
    """One server that speaks as Qdrant does; isolate with a collection, never kill it."""
    with server_folder() as folder:
        async with QdrantServer(folder) as server:
            yield server.address


@pytest.fixture
def shard() -> Iterator[Path]:
    """A folder for qdrant-edge's data."""
    with server_folder() as folder:
        yield folder / "shard"


@pytest.fixture(
    params=["memory", "postgres", "redis", "redis-hnsw", "qdrant", "qdrant-edge", "qdrant-server"]
)
def closed_store(request: pytest.FixtureRequest) -> Store:
    """Each of the stores, empty and not open."""
    match request.param:
        case "memory":
            return MemoryStore()
        case "redis" | "redis-hnsw":
            url = request.getfixturevalue("redis")
            index = "hnsw" if request.param == "redis-hnsw" else "flat"
            return RedisStore(f"{url}?prefix={fresh()}:&index={index}")
        case "qdrant":
            return QdrantStore(ClientEngine("tests", folder=":memory:"), Limits())
        case "qdrant-edge":
            return QdrantStore(EdgeEngine(request.getfixturevalue("shard")), Limits())
        case "qdrant-server":
            return qdrant_store(f"{request.getfixturevalue('qdrant_server')}/{fresh()}")
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
