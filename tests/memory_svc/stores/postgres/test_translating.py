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
from tests.memory_svc.stores.making import NOW, Filled, entry, filled


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
        (asyncpg.ReadOnlySQLTransactionError("x"), Unavailable),
        (asyncpg.UniqueViolationError("x"), Unavailable),
        (asyncpg.InternalServerError("x"), Unavailable),
        (asyncpg.UndefinedColumnError("x"), Unavailable),
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


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (asyncpg.ReadOnlySQLTransactionError("x"), True),
        (asyncpg.UndefinedColumnError("x"), False),
    ],
    ids=lambda each: type(each).__name__,
)
def test_only_what_may_pass_by_itself_is_worth_another_try(error: Exception, passes: bool) -> None:
    with pytest.raises(Unavailable) as caught, translated():
        raise error
    assert caught.value.retryable is passes


async def test_a_server_that_only_reads_says_so_and_is_read(postgres: str, schema: str) -> None:
    async with PostgresStore(postgres, schema=schema) as store:
        memory = await filled(store)
        await memory.put(entry("a"))
    mode = "&options=-c%20default_transaction_read_only%3Don"
    async with PostgresStore(postgres + mode, schema=schema, migrate=False) as store:
        memory = Filled(store, memory.embedding, memory.analyser)
        for call in (
            memory.put(entry("b")),
            store.delete("ours", ["a"], now=NOW),
            store.touch("ours", ["a"], now=NOW),
        ):
            with pytest.raises(Unavailable, match="read-only") as caught:
                await call
            assert caught.value.retryable
        assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}


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
