from typing import Any

import pytest
from redis import exceptions

from pepperpy_memory_svc.stores.redis import Address, RedisStore
from pepperpy_memory_svc.stores.redis.translating import translated
from pepperpy_schemas.errors import BadConfig, Overloaded, PepperError, Unavailable
from pepperpy_schemas.memory import Eq
from tests.memory_svc.stores.making import NOW, Filled, after, entry, filled, fresh


def test_what_is_ours_is_taken_out_of_the_address() -> None:
    plain = Address.parse("redis://me:secret@host:6380/2")
    assert plain == Address("redis://me:secret@host:6380/2", "pepperpy:", "flat")
    ours = Address.parse("rediss://host/0?prefix=a.b:&ssl_cert_reqs=none&index=hnsw")
    assert ours == Address("rediss://host/0?ssl_cert_reqs=none", "a.b:", "hnsw")


async def test_stores_with_other_prefixes_see_nothing_of_each_other(redis: str) -> None:
    one = fresh()
    async with (
        RedisStore(f"{redis}?prefix={one}:") as ours,
        RedisStore(f"{redis}?prefix={one}:b:") as theirs,
    ):
        for store in (ours, theirs):
            memory = await filled(store)
            await store.begin("embedding", "new", dims=2)
            await memory.put(entry("a", expires=after(1)), [1, 0, 0, 0], ["word"])
            await memory.put(entry("b"), [1, 0, 0, 0], ["word"])
        memory = Filled(theirs, memory.embedding, memory.analyser)
        before = await memory.find([1, 0, 0, 0], ["word"])
        assert await ours.purge(now=after(1)) == 1
        assert await ours.delete_where("ours", None, now=NOW) == 1
        await ours.drop(3)
        assert await memory.find([1, 0, 0, 0], ["word"]) == before
        assert len(await theirs.generations()) == 3


async def test_keys_of_others_that_an_index_names_are_not_taken_for_ours(redis: str) -> None:
    prefix = f"{fresh()}:"
    async with RedisStore(f"{redis}?prefix={prefix}") as store:
        memory = await filled(store)
        put = await memory.put(entry("a"), [1, 0, 0, 0], ["word"])
        async with store._pool.client() as client:
            for kind in ("entry:", f"vector:{memory.embedding}:"):
                fields: Any = await client.hgetall(f"{prefix}{kind}1:1")
                assert fields
                for theirs in ("entry:1:1", "1:1:1", "1:x1"):
                    await client.hset(f"{prefix}{kind}{theirs}", mapping={**fields, "expires": 1})
        found = await memory.find([1, 0, 0, 0], ["word"])
        assert [each.id for each in found.vector] == ["a"]
        assert list((await memory.find([1, 0, 0, 0], where=Eq("id", "a"))).entries) == ["a"]
        assert await store.purge(now=after(5)) == 0
        assert await store.get("ours", ["a"], now=after(5)) == {"a": put}
        assert await store.delete_where("ours", Eq("id", "a"), now=NOW) == 1


@pytest.mark.parametrize(
    "prefix",
    ["a:entry:", "aentry:", "a:entry:b:", "a:vector:1:1:", "a:words:2:", "a:session:1:", "a:ids:7"],
)
def test_a_prefix_that_lies_among_the_keys_of_another_is_refused(prefix: str) -> None:
    with pytest.raises(BadConfig, match="another store"):
        Address.parse(f"redis://host/0?prefix={prefix}")


@pytest.mark.parametrize("prefix", ["entry:", "words:", "a:words:b:", "a:entries:", "entry"])
def test_a_prefix_that_lies_beside_them_is_taken(prefix: str) -> None:
    assert Address.parse(f"redis://host/0?prefix={prefix}").prefix == prefix


@pytest.mark.parametrize("query", ["prefix=", "prefix=a*", "prefix=a%20b", "index=tree", "index="])
def test_an_address_that_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(BadConfig, match="Redis"):
        Address.parse(f"redis://host/0?{query}")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (exceptions.AuthenticationError("x"), BadConfig),
        (exceptions.NoPermissionError("x"), BadConfig),
        (exceptions.MaxConnectionsError("x"), Overloaded),
        (exceptions.ResponseError("BUSY Redis is busy running a script"), Overloaded),
        (exceptions.OutOfMemoryError("x"), Unavailable),
        (exceptions.ReadOnlyError("x"), Unavailable),
        (exceptions.BusyLoadingError("x"), Unavailable),
        (exceptions.TimeoutError("x"), Unavailable),
        (exceptions.ConnectionError("x"), Unavailable),
        (ConnectionResetError("x"), Unavailable),
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
def test_what_the_client_raises_is_told_by_our_names(
    error: Exception, ours: type[PepperError]
) -> None:
    with pytest.raises(ours) as caught, translated():
        raise error
    assert caught.value.__cause__ is error
