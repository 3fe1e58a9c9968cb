"""The tables' versions: up, down, by two at once, and killed half-way."""

import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest

from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_memory_svc.stores.embedded import programs as embedded_programs
from pepperpy_memory_svc.stores.embedded.place import account
from pepperpy_memory_svc.stores.embedded.programs import check_vector_version, programs
from pepperpy_memory_svc.stores.postgres import (
    PostgresStore,
    migrate_down,
    migrate_up,
    migration_plan,
    migration_status,
    sessions,
    steps,
)
from pepperpy_memory_svc.stores.postgres.steps import Migration, migrations
from pepperpy_schemas.errors import BadConfig, Overloaded, Unavailable, WrongSequence
from tests.memory_svc.stores.making import NOW, after, entry, filled, fresh, server_folder

NEWEST = migrations()[-1].number
STEPS = str(steps.folder())


def add_step(folder: Path, *, up: str, down: str) -> None:
    """Writes all steps into a folder, and one that a later version might bring."""
    shutil.copytree(STEPS, folder, dirs_exist_ok=True)
    for way, sql in (("up", up), ("down", down)):
        (folder / f"{NEWEST + 1:04}_later.{way}.sql").write_text(sql)


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


async def test_steps_down_and_up_keep_the_entries_as_they_are(postgres: str, schema: str) -> None:
    made = [entry(f"e{n}", metadata={"n": n}, source="s", ttl=1e6) for n in range(300)]
    async with PostgresStore(postgres, schema=schema) as store:
        memory = await filled(store)
        rows = [memory.row(each, [1, 0, 0, n], ["word"]) for n, each in enumerate(made)]
        await store.put("ours", rows, now=NOW)
        await memory.put(entry("e7", text="changed", expires=after(9)), [1, 0, 0, 7], ["word"])
        before = await store.scan("ours", now=NOW)
        assert (len(before), before[-1].version) == (300, 1)
        found = await memory.find([1, 0, 0, 9], ["word"], limit=1000)
    await migrate_down(postgres, schema=schema, to=2)
    async with PostgresStore(postgres, schema=schema) as store:
        assert await store.scan("ours", now=NOW) == before
        assert await (await filled(store)).find([1, 0, 0, 9], ["word"], limit=1000) == found
        assert await store.history("ours", "e7", now=NOW) == []
    await migrate_down(postgres, schema=schema, to=1)
    async with PostgresStore(postgres, schema=schema) as store:
        assert await store.scan("ours", now=NOW) == before
        # What was lost is asked for, so that a service makes it anew.
        memory = await filled(store)
        assert len(await store.unfilled(memory.embedding, now=NOW)) == 300
        assert len(await store.unfilled(memory.analyser, now=NOW)) == 300


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
    monkeypatch.setattr(sessions, "LOCK_TIMEOUT", 0.2)
    holder = await asyncpg.connect(postgres)
    await holder.execute(f"SELECT pg_advisory_lock(hashtext('pepperpy memory {schema}'))")
    with pytest.raises(Overloaded, match="lock timeout"):
        await migrate_up(postgres, schema=schema)
    await holder.close()
    assert (await migrate_up(postgres, schema=schema)).version == NEWEST


async def test_replicas_that_open_a_new_database_at_once_all_do(postgres: str, schema: str) -> None:
    names = [f"{schema}_{n}" for n in range(4)]
    connection = await asyncpg.connect(postgres)
    try:
        for name in names:
            await connection.execute(f"CREATE DATABASE {name}")

        async def replica(name: str) -> None:
            async with PostgresStore(postgres.replace("/postgres?", f"/{name}?")) as store:
                await store.ping()

        for name in names:
            await asyncio.gather(*(replica(name) for _ in range(4)))
    finally:
        for name in names:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.close()


CHILD = """
import asyncio, sys
from pathlib import Path
from pepperpy_memory_svc.stores.postgres import migrate_down, migrate_up, steps

url, schema, folder, to = sys.argv[1:]
steps.folder = lambda: Path(folder)
asyncio.run(migrate_down(url, schema=schema, to=int(to)) if to else migrate_up(url, schema=schema))
"""


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_a_runner_that_is_killed_in_the_middle_leaves_the_version_before(
    postgres: str,
    schema: str,
    tmp_path: Path,
    direction: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way = {"up": "CREATE TABLE later ();", "down": "DROP TABLE later;"}
    add_step(tmp_path / "steps", **way)
    monkeypatch.setattr(steps, "folder", lambda: tmp_path / "steps")
    await migrate_up(postgres, schema=schema, to=NEWEST if direction == "up" else NEWEST + 1)
    before = await asyncio.to_thread(dumped, postgres, schema)
    # The middle of its last step takes as long as we like; the name is seen in the statement.
    middle = f"/* {schema} */ SELECT pg_sleep(600);"
    add_step(tmp_path / "steps", **{**way, direction: way[direction] + middle})
    to = str(NEWEST) if direction == "down" else ""
    command = [sys.executable, "-c", CHILD, postgres, schema, str(tmp_path / "steps"), to]
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pepperpy-migration'"
        f" AND query LIKE '%{schema}%'"
    )
    watching = await asyncpg.connect(postgres)
    with subprocess.Popen(command) as runner:
        await _until(watching, f"{running} AND wait_event = 'PgSleep'", 1)
        runner.kill()
        runner.wait()
    # Its statement ends, too: another runner need not wait for it.
    await _until(watching, running, 0)
    await watching.close()
    assert await asyncio.to_thread(dumped, postgres, schema) == before
    add_step(tmp_path / "steps", **way)
    if direction == "up":
        assert (await migrate_up(postgres, schema=schema)).version == NEWEST + 1
    else:
        assert (await migrate_down(postgres, schema=schema, to=NEWEST)).version == NEWEST


async def _until(connection: asyncpg.Connection, query: str, number: int) -> None:
    async with asyncio.timeout(30):
        while await connection.fetchval(query) != number:
            await asyncio.sleep(0.02)


async def test_code_of_the_version_before_works_while_steps_go_up_and_down_and_after(
    postgres: str, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_step(
        tmp_path / "steps",
        up="ALTER TABLE entry ADD COLUMN mood text; CREATE INDEX entry_mood ON entry (ns, mood);"
        "CREATE TABLE mood (name text); UPDATE entry SET mood = 'calm' WHERE id < 'b';",
        down="DROP TABLE mood; ALTER TABLE entry DROP COLUMN mood;",
    )
    async with PostgresStore(postgres, schema=schema) as old, _used(old) as more:
        with monkeypatch.context() as newer:
            newer.setattr(steps, "folder", lambda: tmp_path / "steps")
            for _ in range(3):
                assert (await migrate_up(postgres, schema=schema)).version == NEWEST + 1
                await more()
                assert (await migrate_down(postgres, schema=schema, to=NEWEST)).version == NEWEST
                await more()
            await migrate_up(postgres, schema=schema)
    # It starts on the newer tables, too, and leaves them as they are.
    async with PostgresStore(postgres, schema=schema) as old, _used(old) as more:
        await more()
    assert (await migration_status(postgres, schema=schema)).version == NEWEST + 1


@asynccontextmanager
async def _used(store: PostgresStore) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Puts, finds, changes and reads entries all the time; gives what waits for some more.

    Not one call may fail, and all that was put has to be there.
    """
    memory, put, rounds, run = await filled(store), list[str](), list[str](), fresh()
    ended = asyncio.Event()

    async def use() -> None:
        while not ended.is_set():
            name = f"{len(rounds)}-{run}"
            await memory.put(entry(name), [1, 0, 0, 0], [run])
            put.append(name)
            await memory.put(entry(name, text="changed"), [1, 0, 0, 0], [run])
            assert len((await memory.find([1, 0, 0, 0], [run])).words) == len(put)
            assert set(await store.get("ours", put, now=NOW)) == set(put)
            if len(put) > 5:
                assert await store.delete("ours", put[:1], now=NOW) == [put.pop(0)]
            rounds.append(name)

    using = asyncio.create_task(use())

    async def more() -> None:
        wanted = len(rounds) + 3
        while len(rounds) < wanted and not using.done():
            await asyncio.sleep(0.005)
        if using.done():
            await using

    try:
        yield more
    finally:
        ended.set()
        await using
    there = [each.id for each in await store.scan("ours", now=NOW, limit=10_000)]
    assert sorted(put) == [each for each in there if each.endswith(run)]


def test_steps_up_take_nothing_away_that_code_of_the_version_before_uses() -> None:
    taking = re.compile(r"\b(DROP|RENAME|TRUNCATE|DELETE|SET NOT NULL|SET DATA TYPE|TYPE)\b", re.I)
    for step in migrations():
        statements = re.sub(r"--.*", "", step.sql("up")).replace("ON DELETE CASCADE", "")
        assert not taking.findall(statements), f"{step.number} {step.name}"


async def test_a_step_that_would_lose_an_entry_is_undone(
    postgres: str, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PostgresStore(postgres, schema=schema) as store:
        memory = await filled(store)
        await store.put("ours", [memory.row(entry(name)) for name in "ab"], now=NOW)
        before = await asyncio.to_thread(dumped, postgres, schema)
        monkeypatch.setattr(steps, "folder", lambda: tmp_path / "steps")
        for fault in (
            "DELETE FROM entry WHERE id = 'a';",
            "TRUNCATE entry;",
            "DROP TABLE entry;",
            "CREATE TABLE kept (LIKE entry); DROP TABLE entry; ALTER TABLE kept RENAME TO entry;",
        ):
            add_step(tmp_path / "steps", up="CREATE TABLE later ();" + fault, down="")
            with pytest.raises(WrongSequence, match=f"step {NEWEST + 1} up would not have kept"):
                await migrate_up(postgres, schema=schema)
        assert await asyncio.to_thread(dumped, postgres, schema) == before
        assert set(await store.get("ours", ["a", "b"], now=NOW)) == {"a", "b"}


async def test_what_a_way_would_do_and_lose_is_told_before(postgres: str, schema: str) -> None:
    plan = await migration_plan(postgres, "up", schema=schema)
    assert (plan.version, plan.to, len(plan.steps), plan.lost) == (0, NEWEST, NEWEST, {})
    assert "Entries by namespace" in plan.steps[0].about("up")
    assert (await migration_plan(postgres, "down", schema=schema)).steps == []
    async with PostgresStore(postgres, schema=schema) as store:
        memory = await filled(store)
        assert (await migration_plan(postgres, "down", schema=schema, to=2)).lost == {}
        for text in ("one", "two"):
            await memory.put(entry(text=text))
    plan = await migration_plan(postgres, "down", schema=schema, to=2)
    assert [each.number for each in plan.steps] == list(range(NEWEST, 2, -1))
    assert plan.lost == {"history": 1}
    assert plan.steps[-1].about("down") == "Loses the earlier versions of entries."
    plan = await migration_plan(postgres, "down", schema=schema, to=0)
    assert plan.lost["entry"] == 1
    assert (await migration_status(postgres, schema=schema)).version == NEWEST
    for step in migrations():
        assert step.about("up")
        assert step.about("down")


@pytest.mark.parametrize("to", [-1, NEWEST + 1])
async def test_a_number_that_is_no_step_is_refused(postgres: str, schema: str, to: int) -> None:
    with pytest.raises(BadConfig, match=f"no step {to}"):
        await migrate_up(postgres, schema=schema, to=to)
    with pytest.raises(BadConfig, match=f"no step {to}"):
        await migrate_down(postgres, schema=schema, to=to)
    with pytest.raises(BadConfig, match=f"no step {to}"):
        await migration_plan(postgres, "up", schema=schema, to=to)


async def test_steps_of_newer_code_are_not_taken_back(
    postgres: str, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_step(tmp_path / "steps", up="CREATE TABLE later ();", down="DROP TABLE later;")
    with monkeypatch.context() as newer:
        newer.setattr(steps, "folder", lambda: tmp_path / "steps")
        await migrate_up(postgres, schema=schema)
    before = await asyncio.to_thread(dumped, postgres, schema)
    with pytest.raises(BadConfig, match=f"this code knows none above {NEWEST}"):
        await migrate_down(postgres, schema=schema, to=0)
    with pytest.raises(BadConfig, match=f"this code knows none above {NEWEST}"):
        await migration_plan(postgres, "down", schema=schema)
    assert (await migrate_up(postgres, schema=schema)).version == NEWEST + 1
    assert await asyncio.to_thread(dumped, postgres, schema) == before


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


async def test_who_may_not_make_pgvector_available_needs_nothing_else(
    postgres: str, schema: str
) -> None:
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"CREATE ROLE {schema} LOGIN")
    await connection.execute(f"CREATE DATABASE {schema} OWNER {schema}")
    own = postgres.replace("pepperpy@/postgres?", f"{schema}@/{schema}?")
    try:
        with pytest.raises(BadConfig, match="no extension vector: permission denied") as caught:
            async with PostgresStore(own):
                pass
        assert "as a superuser: CREATE EXTENSION vector" in caught.value.hint
        inside = await asyncpg.connect(postgres.replace("/postgres?", f"/{schema}?"))
        await inside.execute("CREATE EXTENSION vector")
        await inside.close()
        async with PostgresStore(own) as store:
            memory = await filled(store)
            await memory.put(entry(), [1, 0, 0, 0], ["word"])
            assert len((await memory.find([1, 0, 0, 0], ["word"])).entries) == 1
        assert (await migrate_down(own, to=0)).version == 0
    finally:
        await connection.execute(f"DROP DATABASE {schema} WITH (FORCE)")
        await connection.execute(f"DROP ROLE {schema}")
        await connection.close()


async def test_a_server_without_pgvector_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with server_folder() as folder:
        folder.chmod(0o711)
        installed = embedded_programs._installed()
        for part in installed.parent.parent.glob(f"{installed.parent.name}*"):
            if part.suffix != ".dist-info":
                shutil.copytree(part, folder / part.name)
        copied = folder / installed.parent.name / installed.name
        monkeypatch.setattr(embedded_programs, "_installed", lambda: copied)
        async with EmbeddedPostgres(folder / "own") as server:
            (copied / "share" / "extension" / "vector.control").unlink()
            with pytest.raises(BadConfig, match=r"no extension vector: .* not available"):
                await migrate_up(server.url)


@pytest.mark.parametrize("name", ["", "a;b", 'a"b', "A", "a" * 64, "1a"])
async def test_a_schema_that_would_have_to_be_quoted_is_refused(postgres: str, name: str) -> None:
    with pytest.raises(BadConfig, match="no name of a schema"):
        PostgresStore(postgres, schema=name)
    with pytest.raises(BadConfig, match="no name of a schema"):
        await migrate_up(postgres, schema=name)
