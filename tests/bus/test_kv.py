import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.kv import Bucket, Change, Entry
from pepperpy_schemas.errors import BadName, Unavailable, WrongSequence

Streams = Callable[..., Awaitable[None]]


@pytest.fixture
async def bucket(connection: Connection, prefix: str, streams: Streams) -> Bucket:
    await streams(connection, prefix, "state")
    return Bucket(connection, f"{prefix}_state")


async def gone(bucket: Bucket, key: str) -> None:
    """Returns when the server has forgotten a key."""
    async with asyncio.timeout(10):
        async for change in bucket.watch(key):
            if change.value is None:
                return


async def test_what_is_put_is_got_with_its_revision(bucket: Bucket) -> None:
    assert await bucket.get("a.b") is None
    revision = await bucket.put("a.b", b"1")
    assert await bucket.get("a.b") == Entry("a.b", b"1", revision)
    later = await bucket.put("a.b", b"")
    assert later > revision
    assert await bucket.get("a.b") == Entry("a.b", b"", later)


async def test_the_leader_says_the_same(bucket: Bucket) -> None:
    assert await bucket.get("a", newest=True) is None
    revision = await bucket.put("a", b"1", ttl="1s")
    assert await bucket.get("a", newest=True) == Entry("a", b"1", revision)
    await gone(bucket, "a")
    assert await bucket.get("a", newest=True) is None
    await bucket.put("a", b"2")
    await bucket.delete("a")
    assert await bucket.get("a", newest=True) is None


async def test_a_deleted_key_has_no_value_and_can_be_created_again(bucket: Bucket) -> None:
    await bucket.put("a", b"1")
    await bucket.delete("a")
    await bucket.delete("never")
    assert await bucket.get("a") is None
    assert await bucket.entries() == []
    revision = await bucket.create("a", b"2")
    assert await bucket.get("a") == Entry("a", b"2", revision)


async def test_an_expired_key_has_no_value_and_can_be_created_again(bucket: Bucket) -> None:
    await bucket.create("a", b"1", ttl="1s")
    await bucket.put("b", b"1")
    await gone(bucket, "a")
    assert await bucket.get("a") is None
    assert [one.key for one in await bucket.entries()] == ["b"]
    revision = await bucket.create("a", b"2")
    assert await bucket.get("a") == Entry("a", b"2", revision)


async def test_a_put_within_its_time_keeps_a_key_alive(bucket: Bucket) -> None:
    await bucket.put("beat", b"1", ttl="1s")
    await bucket.put("beat", b"2")
    await bucket.put("other", b"1", ttl="1s")
    await gone(bucket, "other")
    entry = await bucket.get("beat")
    assert entry is not None
    assert entry.value == b"2"


async def test_one_of_fifty_creators_wins(bucket: Bucket) -> None:
    tries = [bucket.create("lease", b"%d" % n) for n in range(50)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    won = [n for n, one in enumerate(found) if not isinstance(one, BaseException)]
    assert len(won) == 1
    assert all(isinstance(one, int | WrongSequence) for one in found)
    entry = await bucket.get("lease")
    assert entry is not None
    assert entry.value == b"%d" % won[0]


async def test_one_of_fifty_creators_wins_a_key_that_was_deleted(bucket: Bucket) -> None:
    await bucket.put("lease", b"old")
    await bucket.delete("lease")
    tries = [bucket.create("lease", b"%d" % n) for n in range(50)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, int) for one in found) == 1


async def test_an_update_needs_the_newest_revision(bucket: Bucket) -> None:
    first = await bucket.create("a", b"1")
    second = await bucket.update("a", b"2", revision=first)
    with pytest.raises(WrongSequence):
        await bucket.update("a", b"3", revision=first)
    assert await bucket.get("a") == Entry("a", b"2", second)


async def test_entries_are_listed_by_pattern_and_none_of_an_empty_bucket(bucket: Bucket) -> None:
    assert await bucket.entries() == []
    for key in ("a.1", "a.2", "b.1", "c"):
        await bucket.put(key, key.encode())
    await bucket.delete("a.2")
    assert {one.key: one.value for one in await bucket.entries()} == {
        "a.1": b"a.1",
        "b.1": b"b.1",
        "c": b"c",
    }
    assert [one.key for one in await bucket.entries("a.*")] == ["a.1"]
    assert await bucket.entries("x.>") == []


@pytest.mark.parametrize(("count", "size"), [(40, 500_000), (1_500, 10)])
async def test_more_entries_than_one_answer_of_the_server_holds_are_all_listed(
    bucket: Bucket, count: int, size: int
) -> None:
    """The server gives no more than some MiB at once, and the last of 1024 subjects at most."""
    keys = [f"k{n}" for n in range(count)]
    await asyncio.gather(*(bucket.put(key, b"x" * size) for key in keys))
    assert sorted(one.key for one in await bucket.entries()) == sorted(keys)


async def test_a_key_that_changes_while_all_are_listed_is_listed_once(bucket: Bucket) -> None:
    """Its old message was read already; its new one comes with the last batch."""
    for n in range(100):
        await bucket.put(f"k{n}", b"x" * 200_000)

    async def change() -> None:
        for n in range(20):
            await bucket.put("k0", b"%d" % n)

    found, _ = await asyncio.gather(bucket.entries(), change())
    assert sorted(one.key for one in found) == sorted(f"k{n}" for n in range(100))


async def test_a_bucket_that_nobody_has_made_has_no_entries(connection: Connection) -> None:
    assert await Bucket(connection, "nothing").entries() == []


async def test_a_bucket_that_is_there_and_cannot_be_read_is_an_error_and_not_empty(
    connect: Callable[..., Awaitable[Connection]], prefix: str, streams: Streams
) -> None:
    """Nobody answers direct gets of a stream that does not allow them."""
    patient = await connect(request_timeout=0.3)
    await streams(patient, prefix, "state")
    stream = f"KV_{prefix}_state"
    config = (await api(patient, f"STREAM.INFO.{stream}"))["config"]
    await api(patient, f"STREAM.UPDATE.{stream}", config | {"allow_direct": False})
    with pytest.raises(Unavailable):
        await Bucket(patient, f"{prefix}_state").entries()
    await api(patient, f"STREAM.UPDATE.{stream}", config)
    assert await Bucket(patient, f"{prefix}_state").entries() == []


@pytest.mark.parametrize("key", ["", "a b", "a..b", ".a", "a.", "a.*", ">", "ü", "x" * 257, "a\n"])
async def test_a_key_that_cannot_travel_is_refused(bucket: Bucket, key: str) -> None:
    for use in (bucket.get(key), bucket.put(key, b""), bucket.create(key, b""), bucket.delete(key)):
        with pytest.raises(BadName, match="key"):
            await use


async def test_a_watcher_sees_what_is_there_then_every_change(bucket: Bucket) -> None:
    first = await bucket.put("a.1", b"1")
    await bucket.put("b", b"1")
    watching = bucket.watch("a.*")
    assert await anext(watching) == Change("a.1", b"1", first)
    second = await bucket.put("a.2", b"")
    await bucket.delete("a.1")
    assert await anext(watching) == Change("a.2", b"", second)
    change = await anext(watching)
    assert (change.key, change.value) == ("a.1", None)
    await _close(watching)


async def test_a_watcher_sees_a_key_expire(bucket: Bucket) -> None:
    await bucket.put("a", b"1", ttl="1s")
    await gone(bucket, "a")


async def test_a_watcher_goes_on_over_a_restart_of_the_broker(
    own_broker: Broker, own: Connection, prefix: str, streams: Streams
) -> None:
    await streams(own, prefix, "state")
    bucket = Bucket(own, f"{prefix}_state")
    await bucket.put("a", b"1")
    watching = bucket.watch()
    assert (await anext(watching)).value == b"1"
    own_broker.kill()
    await own_broker.start()
    await own.wait_connected(10)
    await bucket.put("a", b"2")
    await bucket.put("b", b"1")
    async with asyncio.timeout(10):
        seen = [await anext(watching), await anext(watching)]
    assert [(one.key, one.value) for one in seen] == [("a", b"2"), ("b", b"1")]
    await _close(watching)


async def test_revisions_continue_after_a_restart(
    own_broker: Broker, own: Connection, prefix: str, streams: Streams
) -> None:
    await streams(own, prefix, "state")
    bucket = Bucket(own, f"{prefix}_state")
    revision = await bucket.create("a", b"1")
    own_broker.kill()
    await own_broker.start()
    assert await bucket.update("a", b"2", revision=revision) > revision


async def test_a_purge_marker_of_other_clients_is_no_value(
    bucket: Bucket, connection: Connection, prefix: str
) -> None:
    await bucket.put("a", b"1")
    subject = f"$KV.{prefix}_state.a"
    await connection.request(subject, b"", headers={"KV-Operation": "PURGE", "Nats-Rollup": "sub"})
    assert await bucket.get("a") is None
    assert await bucket.create("a", b"2")
    info = await api(connection, f"STREAM.INFO.KV_{prefix}_state")
    assert info["state"]["messages"] == 1


@pytest.mark.parametrize("verb", ["put", "create", "update", "delete"])
async def test_a_lost_acknowledgement_is_no_conflict(
    bucket: Bucket,
    broker: Broker,
    prefix: str,
    connect: Callable[..., Awaitable[Connection]],
    proxy_to: Callable[..., Awaitable[Any]],
    verb: str,
) -> None:
    """The value is stored, its acknowledgement is lost with the link; the second try finds it."""
    proxy = await proxy_to(broker.url)
    other = Bucket(await connect(proxy.url), f"{prefix}_state")
    revision = await other.put("a", b"0") if verb in ("update", "delete") else 0
    uses: dict[str, Callable[[], Coroutine[Any, Any, int | None]]] = {
        "put": lambda: other.put("a", b"1"),
        "create": lambda: other.create("a", b"1"),
        "update": lambda: other.update("a", b"1", revision=revision),
        "delete": lambda: other.delete("a"),
    }
    watching = bucket.watch("a")
    if revision:
        await anext(watching)
    proxy.swallow["down"] = True
    writing = asyncio.create_task(uses[verb]())
    change = await anext(watching)
    proxy.swallow["down"] = False
    proxy.cut()
    assert await asyncio.wait_for(writing, 10) == (None if verb == "delete" else change.revision)
    await _close(watching)


async def _close(watching: AsyncIterator[Change]) -> None:
    await watching.aclose()  # type: ignore[attr-defined]  # it is an async generator


async def test_a_change_that_others_built_upon_before_it_was_known_to_be_there_counts(
    bucket: Bucket, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await bucket.create("n", b"1")
    request = connection.request
    lost: list[bytes] = []

    async def without_answer(subject: str, body: bytes = b"", **options: Any) -> Any:
        reply = await request(subject, body, **options)
        if body == b"2" and not lost:
            lost.append(body)
            await bucket.update("n", b"3", revision=first + 1)
            raise Unavailable("the answer is lost")
        return reply

    monkeypatch.setattr(connection, "request", without_answer)
    assert await bucket.update("n", b"2", revision=first) == first + 1
    assert lost
    assert await bucket.get("n") == Entry("n", b"3", first + 2)
    with pytest.raises(WrongSequence):
        await bucket.update("n", b"4", revision=first)
