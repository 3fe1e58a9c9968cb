"""Which store an address names; its libraries are imported when it is opened."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from pepperpy_bus.installing import install
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.errors import BadConfig

_EXTRAS: Final = {"redis": "redis", "rediss": "redis", "qdrant": "qdrant"}
"""What has to be installed for a kind of address, unless it is the memory's own."""

_IN_MEMORY: Final = frozenset({"memory:", "memory://"})
_WITHOUT_TABLES: Final = frozenset(
    {"memory", "redis", "rediss", "qdrant", "qdrant+https", "qdrant-edge"}
)


@asynccontextmanager
async def open_store(address: str) -> AsyncIterator[Store]:
    """Opens the store that an address names.

    Args:
        address: ``postgresql://…`` for a server; ``embedded:FOLDER`` for a PostgreSQL of our own,
            which one process alone can have in a folder; ``memory:`` for this process's memory;
            ``redis://…`` and ``rediss://…`` for a Redis, see `redis.address`;
            ``qdrant://…``, ``qdrant+https://…``, ``qdrant:FOLDER`` and ``qdrant-edge:FOLDER`` for a
            Qdrant, see `qdrant.addressing`.

    Raises:
        BadConfig: There is no such store, or what it needs is not installed.
    """
    scheme = address.partition(":")[0]
    async with AsyncExitStack() as stack:
        with needed(scheme):
            match scheme:
                case "memory":
                    store = _in_memory(address)
                case "postgresql" | "postgres" | "embedded":
                    store = _in_postgres(await stack.enter_async_context(postgres_at(address)))
                case "qdrant" | "qdrant+https" | "qdrant-edge":
                    store = _in_qdrant(address)
                case "redis" | "rediss":
                    store = _in_redis(address)
                case _:
                    raise BadConfig(
                        f"{scheme!r} is no store of memory",
                        hint="give postgresql://…, embedded:FOLDER, redis://…, qdrant://…, "
                        "qdrant-edge:FOLDER, memory://",
                    )
        yield await stack.enter_async_context(store)


@contextmanager
def needed(scheme: str) -> Iterator[None]:
    """Tells what to install when a library is missing that a kind of store needs.

    Args:
        scheme: How addresses of the kind begin.

    Raises:
        BadConfig: It is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).startswith("pepperpy"):
            raise  # a fault of ours, which no package mends
        raise BadConfig(
            f"a store of memory needs the package {error.name}",
            hint=install(_EXTRAS.get(scheme.partition("-")[0].partition("+")[0], "memory")),
        ) from error


def _in_memory(address: str) -> Store:
    if address not in _IN_MEMORY:
        raise BadConfig(
            "a store in the process has no place: there is something after memory:",
            hint="write memory://, or embedded:FOLDER for a folder",
        )
    from pepperpy_memory_svc.stores.memory import MemoryStore

    return MemoryStore()


def _in_postgres(url: str) -> Store:
    from pepperpy_memory_svc.stores.postgres import PostgresStore

    return PostgresStore(url)


def _in_redis(address: str) -> Store:
    from pepperpy_memory_svc.stores.redis import RedisStore

    return RedisStore(address)


def _in_qdrant(address: str) -> Store:
    from pepperpy_memory_svc.stores.qdrant.addressing import qdrant_store

    return qdrant_store(address)


@asynccontextmanager
async def postgres_at(address: str, *, new: bool = True) -> AsyncIterator[str]:
    """Yields the URL of the PostgreSQL that an address names; one of our own runs meanwhile.

    Args:
        address: ``postgresql://…`` or ``embedded:FOLDER``.
        new: Whether to make one of our own where there is none.

    Raises:
        BadConfig: It names no PostgreSQL.
        Unavailable: Another process has the folder, or the server does not start.
    """
    scheme, _, rest = address.partition(":")
    if scheme in ("postgresql", "postgres"):
        yield address
    elif scheme == "embedded" and rest:
        from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres

        async with EmbeddedPostgres(Path(rest), new=new) as server:
            yield server.url
    elif scheme in _WITHOUT_TABLES:
        raise BadConfig(
            f"{scheme!r} names no PostgreSQL",
            hint="migrations are for PostgreSQL only; such a store needs none",
        )
    else:
        raise BadConfig(
            f"{scheme!r} names no PostgreSQL",
            hint="give postgresql://…, or embedded: and a folder",
        )
