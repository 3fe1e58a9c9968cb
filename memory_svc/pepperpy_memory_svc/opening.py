"""The store that an address names."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from pepperpy_bus.installing import install
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.errors import BadConfig

HINT: Final = "write memory://, embedded:FOLDER, or postgresql://user:password@host/database"


def kind_of(url: str) -> str:
    """Returns the kind of the store that an address names, which shows no password."""
    return {"postgres": "postgresql"}.get(kind := url.partition(":")[0], kind)


@contextlib.asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """Opens a store, and closes it at the end.

    Args:
        url: Its address.

    Raises:
        BadConfig: The address names none, or what it needs is not installed.
    """
    kind, colon, rest = url.partition(":")
    match kind:
        case "memory" if colon and rest in {"", "//"}:
            from pepperpy_memory_svc.stores.memory import MemoryStore

            async with MemoryStore() as store:
                yield store
        case "embedded" if rest:
            from pepperpy_memory_svc.stores.embedded.server import EmbeddedPostgres

            async with EmbeddedPostgres(Path(rest)) as server, _postgres(server.url) as store:
                yield store
        case "postgresql" | "postgres" if rest.startswith("//"):
            async with _postgres(url) as store:
                yield store
        case _:
            raise BadConfig("memory.url names no store that there is", hint=HINT)


@contextlib.asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Store]:
    try:
        from pepperpy_memory_svc.stores.postgres.store import PostgresStore
    except ImportError as error:
        raise BadConfig(
            f"the store in PostgreSQL needs {error.name}", hint=install("postgres")
        ) from error
    async with PostgresStore(url) as store:
        yield store
