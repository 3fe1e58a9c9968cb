"""The tables' versions: up, down, by two at once, and killed half-way."""

import asyncio
import contextlib
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest

from pepperpy_memory_svc.stores.embedded.place import account
from pepperpy_memory_svc.stores.embedded.programs import check_vector_version, programs
from pepperpy_memory_svc.stores.postgres import (
    PostgresStore,
    migrate_down,
    migrate_up,
    migrating,
    migration_status,
)
from pepperpy_memory_svc.stores.postgres.migrating import Migration, migrations
from pepperpy_schemas.errors import BadConfig, Overloaded, Unavailable
from tests.memory_svc.stores.making import NOW, entry, filled

NEWEST = migrations()[-1].number


def dumped(url: str, schema: str) -> str:
    """The schema as pg_dump writes it, but for the marks that it makes anew each time."""
    host = parse_qs(urlsplit(url).query)["host"][0]
    dump = programs(Path(), account()) / "pg_dump"
    made = subprocess.run(
        [dump, "-s", "-h", host, "-U", "pepperpy", "-n", schema, "postgres"],
        check=True,
        capture_output=True,
        text=True,
    )
    return "\n".join(line for line in made.stdout.splitlines() if "restrict" not in line)


async def test_up_down_and_up_give_the_same_tables(postgres: str, schema: str) -> None:
    assert (await migration_status(postgres, schema=schema)).version == 0
    await migrate_up(postgres, schema=schema)
    first = await asyncio.to_thread(dumped, postgres, schema)
    assert "CREATE TABLE" in first
    for to in range(NEWEST - 1, -1, -1):
        assert (await migrate_down(postgres, schema=schema, to=to)).version == to
    assert "CREATE TABLE" not in (await asyncio.to_thread(dumped, postgres, schema)).replace(
        f"CREATE TABLE {schema}.migration", ""
    )
    for to in range(1, NEWEST + 1):
        status = await migrate_up(postgres, schema=schema, to=to)
        assert (status.version, len(status.pending)) == (to, NEWEST - to)
    assert await asyncio.to_thread(dumped, postgres, schema) == first


async def test_a_step_down_and_up_keeps_the_entries(postgres: str, schema: str) -> None:
    async with PostgresStore(postgres, schema=schema) as store:
        memory = await filled(store)
        rows = [memory.row(entry(f"e{n}"), [1, 0, 0, n], ["word"]) for n in range(500)]
        await store.put("ours", rows, now=NOW)
    await migrate_down(postgres, schema=schema, to=2)
    async with PostgresStore(postgres, schema=schema) as store:
        assert len(await store.scan("ours", now=NOW)) == 500
        memory = await filled(store)
        assert len((await memory.find([1, 0, 0, 0], ["word"], limit=1000)).entries) == 500


async def test_steps_down_take_the_tables_of_generations_with_them(
    postgres: str, schema: str
) -> None:
    async with PostgresStore(postgres, schema=schema) as store:
        await filled(store)
    assert "vector_1" in await asyncio.to_thread(dumped, postgres, schema)
    await migrate_down(postgres, schema=schema, to=0)
    left = await asyncio.to_thread(dumped, postgres, schema)
    assert not any(name in left for name in ("vector_", "posting_", "doc_", "entry"))


async def test_of_two_runners_at_once_one_makes_each_step(postgres: str, schema: str) -> None:
    runners = [migrate_up(postgres, schema=schema) for _ in range(4)]
    for status in await asyncio.gather(*runners):
        assert status.version == NEWEST
    downs = [migrate_down(postgres, schema=schema, to=1) for _ in range(2)]
    for status in await asyncio.gather(*downs):
        assert status.version == 1


async def test_a_step_that_is_killed_half_way_leaves_the_version_before(
    postgres: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate_up(postgres, schema=schema, to=1)
    before = await asyncio.to_thread(dumped, postgres, schema)
    whole = Migration.sql
    with monkeypatch.context() as patch:
        # The step ends its own session after its last statement: what a kill -9 looks like there.
        patch.setattr(
            Migration,
            "sql",
            lambda step, way: whole(step, way) + ";SELECT pg_terminate_backend(pg_backend_pid());",
        )
        with pytest.raises(Unavailable, match="cannot be reached"):
            await migrate_up(postgres, schema=schema)
    assert await asyncio.to_thread(dumped, postgres, schema) == before
    assert (await migrate_up(postgres, schema=schema)).version == NEWEST


async def test_a_runner_does_not_wait_for_ever(
    postgres: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", 0.2)
    holder = await asyncpg.connect(postgres)
    await holder.execute(f"SELECT pg_advisory_lock(hashtext('pepperpy memory {schema}'))")
    with pytest.raises(Overloaded, match="lock timeout"):
        await migrate_up(postgres, schema=schema)
    await holder.close()
    assert (await migrate_up(postgres, schema=schema)).version == NEWEST


async def test_too_old_tables_are_refused_with_the_command_that_helps(
    postgres: str, schema: str
) -> None:
    await migrate_up(postgres, schema=schema, to=1)
    with pytest.raises(BadConfig, match="version 1") as caught:
        async with PostgresStore(postgres, schema=schema, migrate=False):
            pass
    assert "pepperpy memory migrate up" in caught.value.hint
    async with PostgresStore(postgres, schema=schema):
        pass
    async with PostgresStore(postgres, schema=schema, migrate=False) as store:
        await store.ping()


async def test_newer_tables_are_taken(postgres: str, schema: str) -> None:
    await migrate_up(postgres, schema=schema)
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"INSERT INTO {schema}.migration VALUES (9999, 'later')")
    await connection.execute(f"ALTER TABLE {schema}.entry ADD COLUMN later text")
    await connection.close()
    async with PostgresStore(postgres, schema=schema) as store:
        memory = await filled(store)
        await memory.put(entry(), [1, 0, 0, 0], ["word"])
        assert len((await memory.find([1, 0, 0, 0], ["word"])).entries) == 1


@pytest.mark.parametrize("version", ["0.8.2", "0.7.4", "0", ""])
def test_an_old_pgvector_is_refused_with_the_fix(version: str) -> None:
    with pytest.raises(BadConfig, match=r"0\.8\.3 is the oldest") as caught:
        check_vector_version(version)
    assert "ALTER EXTENSION vector UPDATE" in caught.value.hint


@pytest.mark.parametrize("version", ["0.8.3", "0.8.10", "0.9", "1.0.0"])
def test_a_newer_pgvector_is_taken(version: str) -> None:
    check_vector_version(version)


async def test_a_database_without_pgvector_is_refused(postgres: str, schema: str) -> None:
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"CREATE DATABASE {schema}")
    bare = postgres.replace("/postgres?", f"/{schema}?")
    inside = await asyncpg.connect(bare)
    try:
        await inside.execute(
            "CREATE SCHEMA pepperpy_memory; CREATE TABLE pepperpy_memory.migration"
            f" AS SELECT {NEWEST} AS number"
        )
        with pytest.raises(BadConfig, match="no extension vector"):
            async with PostgresStore(bare, migrate=False):
                pass
    finally:
        with contextlib.suppress(Exception):
            await inside.close()
        await connection.execute(f"DROP DATABASE {schema} WITH (FORCE)")
        await connection.close()


@pytest.mark.parametrize("name", ["", "a;b", 'a"b', "A", "a" * 64, "1a"])
async def test_a_schema_that_would_have_to_be_quoted_is_refused(postgres: str, name: str) -> None:
    with pytest.raises(BadConfig, match="no name of a schema"):
        PostgresStore(postgres, schema=name)
    with pytest.raises(BadConfig, match="no name of a schema"):
        await migrate_up(postgres, schema=name)
