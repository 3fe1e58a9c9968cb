"""The server is killed, away, or too slow: typed errors, nothing acknowledged is lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pepperpy_memory_svc.stores.redis import Limits, RedisStore
from pepperpy_memory_svc.stores.rows import Filling
from pepperpy_schemas.errors import BadConfig, Overloaded, Unavailable
from pepperpy_schemas.memory import Eq
from tests.memory_svc.stores.killing import written_under_kills
from tests.memory_svc.stores.making import NOW, Filled, after, entry, filled, fresh, server_folder
from tests.memory_svc.stores.redis.server import RedisServer


@pytest_asyncio.fixture
async def own() -> AsyncIterator[RedisServer]:
    """A server of one's own, to be killed, that writes down what it acknowledges."""
    with server_folder() as folder:
        async with RedisServer(folder, "--appendonly", "yes", "--appendfsync", "always") as server:
            yield server


@pytest.mark.parametrize("index", ["flat", "hnsw"])
async def test_no_acknowledged_write_is_lost_when_the_server_is_killed_under_load(
    own: RedisServer, index: str
) -> None:
    async with RedisStore(f"{own.url}?index={index}") as store:
        memory = await filled(store)
        there = await written_under_kills(memory, own.kill, own.start)
        await _found_by_everything(memory, there)


async def _found_by_everything(memory: Filled, there: set[str]) -> None:
    found = await memory.find([1, 0, 0, 0], ["word"], limit=10_000)
    assert {each.id for each in found.vector} == {each.id for each in found.words} == there
    filtered = await memory.find(lexemes=["word"], where=Eq("metadata.writer", 1), limit=10_000)
    assert set(filtered.entries) == {id_ for id_ in there if id_.startswith("w1-")}
    # The same score as in a store where nothing was ever killed.
    rows = [memory.row(entry(id_, namespace="calm"), None, ["word"]) for id_ in sorted(there)]
    await memory.store.put("calm", rows, now=NOW)
    calm = await memory.find(lexemes=["word"], namespace="calm", limit=10_000)
    assert [each.score for each in calm.words] == [each.score for each in found.words]


async def test_every_operation_says_that_the_server_is_away(own: RedisServer) -> None:
    async with RedisStore(own.url, limits=Limits(patience=1)) as store:
        memory = await filled(store)
        await memory.put(entry("a"))
        own.kill()
        one = Filling(namespace="ours", id="a", version=1)
        for call in (
            store.ping(),
            memory.put(entry("b")),
            store.get("ours", ["a"], now=NOW),
            store.scan("ours", now=NOW),
            store.delete("ours", ["a"], now=NOW),
            store.delete_where("ours", None, now=NOW),
            store.touch("ours", ["a"], now=NOW),
            memory.find([1, 0, 0, 0], ["word"]),
            store.vectors("ours", ["a"], embedding=memory.embedding, now=NOW),
            store.generations(),
            store.fill(memory.embedding, [one]),
            store.flip(memory.embedding, now=NOW),
            store.drop(77),
            store.figures(["ours"], now=NOW),
            store.purge(now=NOW),
        ):
            with pytest.raises(Unavailable) as caught:
                await call
            assert caught.value.retryable
        await own.start()
        assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}


async def test_a_server_that_is_not_there_is_said_to_be_away(own: RedisServer) -> None:
    own.kill()
    with pytest.raises(Unavailable, match="cannot be reached"):
        async with RedisStore(own.url):
            pass
    await own.start()


async def test_calls_that_wait_too_long_or_are_too_many_are_refused(redis: str) -> None:
    limits = Limits(connections=1, waiting=2, patience=0.3)
    async with RedisStore(f"{redis}?prefix={fresh()}", limits=limits) as store:
        async with store._pool.client():
            calls = [asyncio.create_task(store.ping()) for _ in range(5)]
            done, _ = await asyncio.wait(calls)
            said = sorted(str(each.exception()) for each in done)
            assert all(isinstance(each.exception(), Overloaded) for each in done)
            assert sum("calls wait" in each for each in said) == 3
            assert sum("was free for 0.3 s" in each for each in said) == 2
        await store.ping()


async def test_an_answer_that_takes_too_long_is_not_waited_for(own: RedisServer) -> None:
    async with RedisStore(own.url, limits=Limits(statement=0.3)) as store:
        memory = await filled(store)
        async with store._pool.client() as client:
            await client.client_pause(1000, all=True)
        with pytest.raises(Unavailable, match="took too long"):
            await memory.put(entry("b"))
        async with asyncio.timeout(20):
            while not await _alive(store):
                await asyncio.sleep(0.05)
        await memory.put(entry("c"))


async def _alive(store: RedisStore) -> bool:
    try:
        await store.ping()
    except Unavailable:
        return False
    return True


async def test_a_store_that_is_closed_waits_for_what_is_running(own: RedisServer) -> None:
    store = RedisStore(own.url)
    await store.__aenter__()
    memory = await filled(store)
    calls = [asyncio.create_task(memory.put(entry(f"e{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    await store.__aexit__(None, None, None)
    assert {each.version for each in await asyncio.gather(*calls)} == {1}


async def test_a_server_that_is_full_stores_nothing_of_a_call(own: RedisServer) -> None:
    async with RedisStore(own.url) as store:
        memory = await filled(store)
        await memory.put(entry("a"))
        async with store._pool.client() as client:
            await client.config_set("maxmemory", "1mb")
        with pytest.raises(Unavailable, match="no room"):
            await store.put("ours", [memory.row(entry(id_)) for id_ in "bc"], now=NOW)
        assert len(await store.scan("ours", now=NOW)) == 1
        async with store._pool.client() as client:
            await client.config_set("maxmemory", "0")
        await memory.put(entry("b"))


async def test_a_server_that_throws_entries_away_is_refused() -> None:
    with server_folder() as folder:
        async with RedisServer(folder, "--maxmemory-policy", "allkeys-lru") as server:
            with pytest.raises(BadConfig, match="throws entries away") as caught:
                async with RedisStore(server.url):
                    pass
            assert "noeviction" in caught.value.hint


@pytest.mark.parametrize("what", ["find", "delete_where", "purge"])
async def test_a_server_that_came_back_empty_is_made_ready_again(what: str) -> None:
    with server_folder() as folder:
        # It writes nothing down.
        async with RedisServer(folder) as server, RedisStore(server.url) as store:
            await (await filled(store)).put(entry("lost"))
            server.kill()
            await server.start()
            async with asyncio.timeout(20):
                while not await _alive(store):
                    await asyncio.sleep(0.05)
            memory = await filled(store)
            # So many that an index takes them in beside the work.
            rows = [memory.row(entry(f"e{n}", expires=after(1 + n % 2))) for n in range(3000)]
            for begin in range(0, len(rows), 500):
                await store.put("ours", rows[begin : begin + 500], now=NOW)
            match what:
                case "find":
                    await store.put(
                        "ours", [memory.row(entry("e7"), [1, 0, 0, 0], ["word"])], now=NOW
                    )
                    where = Eq("id", "e7")
                    # Several at once, of which one makes the index.
                    searches = (memory.find([1, 0, 0, 0], ["word"], where=where) for _ in range(4))
                    for found in await asyncio.gather(*searches):
                        assert list(found.entries) == ["e7"]
                case "delete_where":
                    assert await store.delete_where("ours", Eq("agent", ""), now=NOW) == 3000
                    assert await store.scan("ours", now=NOW) == []
                case _:
                    assert await store.purge(now=after(1)) == 1500
                    assert len(await store.scan("ours", now=after(1), limit=3000)) == 1500
            async with store._pool.client() as client:
                assert await client.hget("pepperpy:last", "form") == b"1"


async def test_a_login_that_is_refused_is_for_the_operator(own: RedisServer) -> None:
    wrong = own.url.replace("redis://", "redis://somebody:secret@")
    with pytest.raises(BadConfig, match="refuses us") as caught:
        async with RedisStore(wrong):
            pass
    assert "secret" not in str(caught.value.info())


RIGHTS = (
    *("+@read", "+@write", "+@scripting", "+@connection", "+info", "+scan"),
    *("+ft.create", "+ft.search", "+ft.dropindex"),
)


async def test_a_login_needs_no_more_rights_than_these_and_these(own: RedisServer) -> None:
    async with RedisStore(own.url) as store, store._pool.client() as client:
        for name, rights in (("enough", RIGHTS), ("few", RIGHTS[:-2])):
            await client.execute_command(  # type: ignore[no-untyped-call]  # it has no types
                "ACL", "SETUSER", name, "on", ">secret", "~ours:*", *rights
            )
    at = own.url.removeprefix("redis://")
    async with RedisStore(f"redis://enough:secret@{at}?prefix=ours:") as store:
        memory = await filled(store)
        await memory.put(entry("a", expires=NOW), [1, 0, 0, 0], ["word"])
        await memory.put(entry("b"), [1, 0, 0, 0], ["word"])
        where = Eq("agent", "")
        assert list((await memory.find([1, 0, 0, 0], ["word"], where=where)).entries) == ["b"]
        assert await store.purge(now=NOW) == 1
        new = await store.begin("embedding", "new", dims=2)
        await store.fill(new.number, [Filling(namespace="ours", id="b", version=1, vector=[1, 0])])
        await store.drop(new.number)
    async with RedisStore(f"redis://few:secret@{at}?prefix=ours:") as store:
        with pytest.raises(BadConfig, match="refuses us"):
            await Filled(store, memory.embedding, memory.analyser).find([1, 0, 0, 0])
    with pytest.raises(BadConfig, match="refuses us"):
        async with RedisStore(f"redis://enough:secret@{at}?prefix=theirs:") as store:
            await filled(store)


async def test_keys_of_another_form_are_left_alone(redis: str) -> None:
    prefix = f"{fresh()}:"
    async with RedisStore(f"{redis}?prefix={prefix}") as store, store._pool.client() as client:
        await client.hset(f"{prefix}last", "form", "2")
    with pytest.raises(BadConfig, match="form"):
        async with RedisStore(f"{redis}?prefix={prefix}"):
            pass


async def test_another_database_than_the_first_is_refused(own: RedisServer) -> None:
    with pytest.raises(BadConfig, match="database 0"):
        async with RedisStore(own.url.removesuffix("0") + "1"):
            pass


async def test_writers_of_a_namespace_at_once_lose_nothing(redis: str) -> None:
    prefix = fresh()
    async with (
        RedisStore(f"{redis}?prefix={prefix}") as one,
        RedisStore(f"{redis}?prefix={prefix}") as other,
    ):
        memory = await filled(one)

        async def write(writer: int) -> None:
            store = (one, other)[writer % 2]
            for number in range(5):
                ids = [f"s{writer % 2}", f"e{writer}-{number}"]
                rows = [memory.row(entry(id_, session="s"), None, ["word"]) for id_ in ids]
                await store.put("ours", rows, now=NOW)
                await store.touch("ours", ids, now=NOW)

        await asyncio.gather(*(write(each) for each in range(6)))
        there = {each.id: each for each in await one.scan("ours", now=NOW)}
        assert len(there) == 32
        assert there["s0"].version == there["s1"].version == 15
        assert len({each.seq for each in there.values()}) == 32
        assert len((await memory.find(lexemes=["word"])).words) == 32


async def test_a_drop_that_was_killed_is_finished_by_the_next_purge(redis: str) -> None:
    prefix = fresh()
    async with RedisStore(f"{redis}?prefix={prefix}:") as store:
        memory = await filled(store)
        new = await store.begin("embedding", "new", dims=2)
        put = await memory.put(entry("a"))
        await store.fill(
            new.number, [Filling(namespace="ours", id="a", version=put.version, vector=[1, 0])]
        )
        # All that a drop does before it removes what is left.
        assert await store._pool.run("drop", {"gen": str(new.number)}, str) == "dropped"
        async with store._pool.client() as client:
            assert await client.keys(f"{prefix}:vector:{new.number}:*")
        await store.purge(now=NOW)
        async with store._pool.client() as client:
            assert await client.keys(f"{prefix}:*:{new.number}:*") == []
            assert await client.smembers(f"{prefix}:dropped") == set()


async def test_an_index_that_the_server_refuses_leaves_nothing_half_done(own: RedisServer) -> None:
    async with RedisStore(own.url) as store:
        memory = await filled(store)
        async with store._pool.client() as client:
            # The name that the index would have.
            name = f"pepperpy:near:{memory.embedding}:1"
            await client.execute_command("FT.CREATE", name, "SCHEMA", "a", "TAG")  # type: ignore[no-untyped-call]  # it has no types
        with pytest.raises(Unavailable, match="already exists"):
            await memory.put(entry("a"), [1, 0, 0, 0], ["word"])
        assert await store.scan("ours", now=NOW) == []
        async with store._pool.client() as client:
            await client.execute_command("FT.DROPINDEX", name)  # type: ignore[no-untyped-call]  # it has no types
        put = await memory.put(entry("a"), [1, 0, 0, 0], ["word"])
        assert put.version == 1
        assert list((await memory.find([1, 0, 0, 0], ["word"])).entries) == ["a"]
