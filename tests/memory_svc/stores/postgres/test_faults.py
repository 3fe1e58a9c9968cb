"""The server is killed, away, or too slow: typed errors, nothing acknowledged is lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
import pytest_asyncio

from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_memory_svc.stores.postgres import Limits, PostgresStore
from pepperpy_memory_svc.stores.rows import Filling
from pepperpy_schemas.errors import BadConfig, Overloaded, Unavailable
from tests.memory_svc.stores.killing import written_under_kills
from tests.memory_svc.stores.making import NOW, Filled, entry, filled, server_folder


@pytest_asyncio.fixture
async def own() -> AsyncIterator[EmbeddedPostgres]:
    """A server of one's own, to be killed."""
    with server_folder() as folder:
        async with EmbeddedPostgres(folder) as server:
            yield server


async def test_no_acknowledged_write_is_lost_when_the_server_is_killed_under_load(
    own: EmbeddedPostgres,
) -> None:
    async with PostgresStore(own.url) as store:
        memory = await filled(store)
        there = await written_under_kills(memory, lambda: os.kill(own.pid, signal.SIGKILL))
        await _check_sums(memory, len(there))


async def _check_sums(memory: Filled, number: int) -> None:
    """The words leg finds all, with the score that an equal store of that size gives."""
    found = await memory.find([1, 0, 0, 0], ["word"], limit=10_000)
    assert len(found.words) == len(found.vector) == number
    connection = memory.store._pool  # type: ignore[attr-defined]  # what the sums are, no answer tells
    async with connection.connection() as inside:
        docs, length = await inside.fetchrow("SELECT docs, length FROM corpus")
    assert (docs, length) == (number, number)


async def test_every_operation_says_that_the_server_is_away(own: EmbeddedPostgres) -> None:
    async with PostgresStore(own.url, limits=Limits(patience=1)) as store:
        memory = await filled(store)
        await memory.put(entry("a"))
        # Stopped for good: nothing starts it again.
        await own.__aexit__(None, None, None)
        one = Filling(namespace="ours", id="a", version=1)
        for call in (
            store.ping(),
            memory.put(entry("b")),
            store.get("ours", ["a"], now=NOW),
            store.scan("ours", now=NOW),
            store.delete("ours", ["a"], now=NOW),
            store.touch("ours", ["a"], now=NOW),
            memory.find([1, 0, 0, 0], ["word"]),
            store.generations(),
            store.fill(memory.embedding, [one]),
            store.purge(now=NOW),
        ):
            with pytest.raises(Unavailable) as caught:
                await call
            assert caught.value.retryable
        await own.__aenter__()
        assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}


async def test_a_server_that_is_not_there_is_said_to_be_away(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        async with PostgresStore(f"postgresql://x@/x?host={tmp_path}"):
            pass


async def test_a_login_that_is_refused_is_for_the_operator(postgres: str) -> None:
    with pytest.raises(BadConfig, match="refuses us"):
        async with PostgresStore(postgres.replace("/postgres?", "/nothing?")):
            pass


async def test_calls_that_wait_too_long_or_are_too_many_are_refused(
    postgres: str, schema: str
) -> None:
    limits = Limits(connections=1, waiting=2, patience=0.3)
    async with PostgresStore(postgres, schema=schema, limits=limits) as store:
        async with store._pool.connection():
            calls = [asyncio.create_task(store.ping()) for _ in range(5)]
            done, _ = await asyncio.wait(calls)
            said = sorted(str(each.exception()) for each in done)
            assert all(isinstance(each.exception(), Overloaded) for each in done)
            assert sum("calls wait" in each for each in said) == 3
            assert sum("was free for 0.3 s" in each for each in said) == 2
        await store.ping()


async def test_a_statement_that_takes_too_long_is_ended(postgres: str, schema: str) -> None:
    limits = Limits(statement=0.2)
    async with PostgresStore(postgres, schema=schema, limits=limits) as store:
        async with store._pool.connection() as connection:
            with pytest.raises(asyncpg.QueryCanceledError):
                await connection.fetchval("SELECT pg_sleep(30)")
        memory = await filled(store)
        await memory.put(entry("a"))
        holder = await asyncpg.connect(postgres)
        async with holder.transaction():
            await holder.execute(f"SELECT 1 FROM {schema}.namespace FOR UPDATE")
            with pytest.raises(Unavailable, match="took too long"):
                await memory.put(entry("b"))
        await holder.close()
        assert len(await store.scan("ours", now=NOW)) == 1


async def test_an_index_that_was_not_built_to_its_end_is_built_anew(
    postgres: str, schema: str
) -> None:
    async with PostgresStore(postgres, schema=schema) as store:
        memory = await filled(store)
        await memory.put(entry("a"), [1, 0, 0, 0])
        new = await store.begin("embedding", "new", dims=2)
        await store.fill(new.number, [Filling(namespace="ours", id="a", version=1, vector=[1, 0])])
        async with store._pool.connection() as connection:
            name = f"vector_{new.number}_near"
            await connection.execute(
                f"CREATE INDEX {name} ON vector_{new.number} USING hnsw (emb halfvec_ip_ops);"
                f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass"
            )
        assert await store.flip(new.number, now=NOW) == 0
        async with store._pool.connection() as connection:
            valid = await connection.fetchval(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = $1::text::regclass", name
            )
        assert valid


async def test_of_two_that_flip_at_once_one_builds_the_index(postgres: str, schema: str) -> None:
    async with PostgresStore(postgres, schema=schema) as store:
        await filled(store)
        new = await store.begin("embedding", "new", dims=2)
        async with store._pool.connection() as other:
            lock = "('generation'::regclass::oid::integer, $1)"
            await other.fetchval(f"SELECT pg_advisory_lock{lock}", new.number)
            with pytest.raises(Overloaded, match="another process"):
                await store.flip(new.number, now=NOW)
            await other.fetchval(f"SELECT pg_advisory_unlock{lock}", new.number)
        assert await store.flip(new.number, now=NOW) == 0


async def test_writers_of_a_namespace_at_once_lose_nothing(postgres: str, schema: str) -> None:
    async with PostgresStore(postgres, schema=schema) as store:
        memory = await filled(store)

        async def write(writer: int) -> None:
            for number in range(5):
                ids = [f"s{writer % 2}", f"e{writer}-{number}"]
                rows = [memory.row(entry(id_, session="s"), None, ["word"]) for id_ in ids]
                await store.put("ours", rows[:: 1 if writer % 2 else -1], now=NOW)
                await store.touch("ours", ids, now=NOW)

        await asyncio.gather(*(write(each) for each in range(6)))
        there = {each.id: each for each in await store.scan("ours", now=NOW)}
        assert len(there) == 32
        assert there["s0"].version == there["s1"].version == 15
        assert len({each.seq for each in there.values()}) == 32
        await _words(memory, 32)


async def _words(memory: Filled, number: int) -> None:
    assert len((await memory.find(lexemes=["word"])).words) == number
