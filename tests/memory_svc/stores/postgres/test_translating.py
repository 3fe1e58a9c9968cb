import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest

from pepperpy_memory_svc.stores.postgres import Limits, PostgresStore
from pepperpy_memory_svc.stores.postgres.translating import translated
from pepperpy_schemas.errors import (
    BadConfig,
    BadPayload,
    Overloaded,
    PepperError,
    Unavailable,
    WrongSequence,
)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (asyncpg.UndefinedTableError("x"), WrongSequence),
        (asyncpg.NumericValueOutOfRangeError("x"), BadPayload),
        (asyncpg.QueryCanceledError("x"), Unavailable),
        (asyncpg.TooManyConnectionsError("x"), Overloaded),
        (asyncpg.LockNotAvailableError("x"), Overloaded),
        (asyncpg.InvalidPasswordError("x"), BadConfig),
        (asyncpg.InsufficientPrivilegeError("x"), BadConfig),
        (asyncpg.DeadlockDetectedError("x"), Unavailable),
        (asyncpg.DiskFullError("x"), Unavailable),
        (asyncpg.CannotConnectNowError("x"), Unavailable),
        (asyncpg.AdminShutdownError("x"), Unavailable),
        (asyncpg.InterfaceError("x"), Unavailable),
        (ConnectionRefusedError("x"), Unavailable),
        (TimeoutError(), Unavailable),
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
def test_what_the_driver_raises_is_told_by_our_names(
    error: Exception, ours: type[PepperError]
) -> None:
    with pytest.raises(ours) as caught, translated():
        raise error
    assert caught.value.__cause__ is error


async def test_a_store_is_closed_though_a_call_does_not_end(postgres: str, schema: str) -> None:
    store = PostgresStore(postgres, schema=schema, limits=Limits(patience=0.2))
    await store.__aenter__()
    with pytest.raises(Unavailable):
        await _closed_inside(store)


async def _closed_inside(store: PostgresStore) -> None:
    async with store._pool.connection() as connection:
        await store.__aexit__(None, None, None)
        await connection.fetchval("SELECT 1")


async def test_a_store_that_was_never_opened_is_closed_without_a_word(schema: str) -> None:
    await PostgresStore("postgresql://nowhere", schema=schema).__aexit__(None, None, None)
